#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| keepair_fuzz_targets::tail::run(bytes));
