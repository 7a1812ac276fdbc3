//! The model's comparison of two machines' data is the core's.

use keepair_core::config::Generation;
use keepair_core::lineage as core;
use keepair_model::handover::lineage::{Facts, Lineage, Relation, compare};
use keepair_wire::peer::RedisFacts;

fn id(id: u8) -> [u8; 20] {
    [id; 20]
}

fn to_core(lineage: &Lineage) -> core::Lineage {
    let facts = &lineage.facts;
    core::Lineage {
        accepted: false,
        served: false,
        restored: None,
        missed_writes: false,
        generation: Generation(lineage.generation.into()),
        vouched: lineage.vouched,
        facts: RedisFacts {
            reachable: facts.reachable,
            primary: facts.primary,
            link_up: facts.linked,
            empty: facts.empty,
            replid: id(facts.id),
            replid2: id(facts.id2),
            second_offset: facts.second.into(),
            offset: facts.offset.into(),
            unused: facts.offset < facts.second,
            ..RedisFacts::default()
        },
    }
}

fn to_model(relation: core::Relation) -> Relation {
    match relation {
        core::Relation::Same => Relation::Same,
        core::Relation::Ahead { .. } => Relation::Ahead,
        core::Relation::Behind { .. } => Relation::Behind,
        core::Relation::Supersedes => Relation::Supersedes,
        core::Relation::Superseded { .. } => Relation::Superseded,
        core::Relation::Unrelated => Relation::Unrelated,
    }
}

/// Every machine with ids 0 to 3 and offsets up to 2, each of the others' values at its extremes.
fn machines() -> Vec<Lineage> {
    let mut machines = Vec::new();
    for bits in 0..8u8 {
        for generation in 0..3 {
            for (id, id2) in [(0, 0), (1, 0), (2, 0), (1, 2), (2, 1), (1, 3), (2, 3)] {
                for second in if id2 == 0 { -1..0 } else { 1..3 } {
                    for offset in 0..3 {
                        let facts = Facts {
                            reachable: true,
                            primary: bits & 1 != 0,
                            linked: false,
                            empty: bits & 2 != 0,
                            id,
                            id2,
                            second,
                            offset,
                        };
                        machines.push(Lineage { generation, vouched: bits & 4 != 0, facts });
                    }
                }
            }
        }
    }
    machines
}

#[test]
fn the_model_compares_data_as_the_core_does() {
    let machines = machines();
    assert!(machines.len() > 500);
    let in_core: Vec<core::Lineage> = machines.iter().map(to_core).collect();
    for (mine, core_mine) in machines.iter().zip(&in_core) {
        for (peer, core_peer) in machines.iter().zip(&in_core) {
            let expected = core::compare(core_mine, core_peer);
            let relation = compare(mine, peer);
            assert_eq!(relation, to_model(expected), "{mine:?} against {peer:?}");
            assert_eq!(relation.may_follow(), expected.may_follow());
        }
    }
}
