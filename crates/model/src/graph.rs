//! The whole graph of a model, for what the checker's properties can't say: from every state there is
//! a way back. Stateright's `eventually` looks at paths that end; the runs here go round for ever.

use stateright::Model;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Every reachable state, how it was first reached, and every step between two of them.
pub struct Graph<M: Model> {
    /// The states, in the order in which they were found.
    pub states: Vec<M::State>,
    /// For each state but the first ones: the state before it and the action.
    parents: Vec<Option<(u32, M::Action)>>,
    /// From, to, and whether the step is one of those that bring the pair back.
    steps: Vec<(u32, u32, bool)>,
}

impl<M> Graph<M>
where
    M: Model,
    M::State: Clone + Hash,
    M::Action: Copy,
{
    /// Explores `model`; `calm` says which steps may be part of a way back.
    pub fn explore(model: &M, calm: impl Fn(&M::Action) -> bool) -> Self {
        let mut graph: Self = Graph { states: Vec::new(), parents: Vec::new(), steps: Vec::new() };
        let mut known: HashMap<u64, u32> = HashMap::new();
        for state in model.init_states() {
            known.insert(fingerprint(&state), graph.states.len() as u32);
            graph.states.push(state);
            graph.parents.push(None);
        }
        let mut actions = Vec::new();
        let mut at = 0;
        while at < graph.states.len() {
            let state = graph.states[at].clone();
            model.actions(&state, &mut actions);
            for action in actions.drain(..) {
                let Some(next) = model.next_state(&state, action) else { continue };
                let number = *known.entry(fingerprint(&next)).or_insert_with(|| {
                    graph.states.push(next);
                    graph.parents.push(Some((at as u32, action)));
                    graph.states.len() as u32 - 1
                });
                graph.steps.push((at as u32, number, calm(&action)));
            }
            at += 1;
        }
        graph
    }

    /// The states, by number, from which no sequence of calm steps leads to one that is `good`.
    pub fn without_way_back(&self, good: impl Fn(&M::State) -> bool) -> Vec<usize> {
        let mut first = vec![0u32; self.states.len() + 1];
        for (_, to, calm) in &self.steps {
            first[*to as usize] += u32::from(*calm);
        }
        let mut sum = 0;
        for slot in &mut first {
            sum += std::mem::replace(slot, sum);
        }
        let mut before = vec![0u32; sum as usize];
        let mut fill = first.clone();
        for (from, to, calm) in &self.steps {
            if *calm {
                let slot = &mut fill[*to as usize];
                before[*slot as usize] = *from;
                *slot += 1;
            }
        }
        let mut reached: Vec<bool> = self.states.iter().map(good).collect();
        let mut todo: Vec<usize> = (0..reached.len()).filter(|at| reached[*at]).collect();
        while let Some(at) = todo.pop() {
            for from in &before[first[at] as usize..first[at + 1] as usize] {
                if !std::mem::replace(&mut reached[*from as usize], true) {
                    todo.push(*from as usize);
                }
            }
        }
        (0..reached.len()).filter(|at| !reached[*at]).collect()
    }

    /// How the state with this number was reached: each state with the action that leaves it.
    pub fn path_to(&self, number: usize) -> Vec<(M::State, Option<M::Action>)> {
        let mut path = vec![(self.states[number].clone(), None)];
        let mut at = number;
        while let Some((from, action)) = self.parents[at] {
            at = from as usize;
            path.push((self.states[at].clone(), Some(action)));
        }
        path.reverse();
        path
    }
}

fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
