use super::*;

//= https://www.rfc-editor.org/rfc/rfc1071#section-3
//= type=test
//# the numerical examples: 00 01 f2 03 f4 f5 f6 f7 add up to ddf2
#[test]
fn rfc_1071_example() {
    let data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(Sum::default().add(&data).finish(), !0xddf2);
}

#[test]
fn table() {
    let rows: &[(&[u8], u16)] = &[
        (&[], 0xffff),
        (&[0xff, 0xff], 0x0000),
        (&[0x12], !0x1200),                   // odd: padded on the right
        (&[0xff, 0xff, 0x00, 0x01], !0x0001), // end-around carry
    ];
    for (data, want) in rows {
        assert_eq!(Sum::default().add(data).finish(), *want, "{data:02x?}");
    }
}

#[test]
fn pieces_and_whole_agree() {
    let data: [u8; 64] = core::array::from_fn(|i| (i * 37 % 251) as u8);
    let (head, tail) = data.split_at(22);
    assert_eq!(Sum::default().add(head).add(tail).finish(), Sum::default().add(&data).finish());
}

#[test]
fn mixed_families_have_no_pseudo_header() {
    let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    assert!(pseudo(v4, v6, 112, 8).is_none());
    assert!(pseudo(v6, v4, 112, 8).is_none());
}
