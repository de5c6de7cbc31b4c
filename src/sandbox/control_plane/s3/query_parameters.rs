//! The parameters of a request's query, and the moments that AWS's signatures name.

use percent_encoding::percent_decode_str;

/// Returns a parameter of a query, decoded.
pub fn find_request_query_parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then(|| percent_decode_str(value).decode_utf8_lossy().into_owned())
    })
}

/// Reads `20260102T030405Z` as Unix seconds.
pub fn parse_amz_date(text: &str) -> Option<i64> {
    const AMZ_DATE_FORMAT: &[time::format_description::BorrowedFormatItem<'_>] =
        time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    time::PrimitiveDateTime::parse(text, AMZ_DATE_FORMAT).ok().map(|at| at.assume_utc().unix_timestamp())
}
