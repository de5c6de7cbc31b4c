//! The reindex against S3 servers of others, moto, ministack and roto: every attribute of every kind of object, before and after.

use super::python::run_judging_script;

#[test]
fn nothing_is_lost_whoever_wrote_the_server() {
    let verdict = run_judging_script("attributes.py", &[env!("CARGO_BIN_EXE_packagecloud-cloudfront")]);
    for line in &verdict.lines {
        assert!(line["lost"].as_array().unwrap().is_empty(), "{line:#}");
        assert!(line["objects"].as_u64().unwrap() > 30, "{line:#}");
        assert!(line["left_out"].as_array().unwrap().len() < 4, "it was filled with too little: {line:#}");
    }
    assert!(verdict.right && verdict.lines.len() == 3, "{:?}", verdict.lines);
}
