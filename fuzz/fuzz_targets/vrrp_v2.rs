#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| keepair_fuzz_targets::vrrp_v2::run(bytes));
