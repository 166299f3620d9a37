use super::super::testing::{call, show};
use super::*;

#[test]
fn reads_durations_as_go_does() {
    let cases = [
        ("1.5h", Some(5_400 * SECOND)),
        ("-1m", Some(-60 * SECOND)),
        ("+1h1m1s1ms1us1ns", Some(3_661_001_001_001)),
        ("1us1µs1μs", Some(3_000)),
        ("1.s", Some(SECOND)),
        (".5s", Some(SECOND / 2)),
        ("0", Some(0)),
        ("-0", Some(0)),
        ("+0", Some(0)),
        ("0s", Some(0)),
        ("1", None),
        ("00", None),
        ("", None),
        ("+", None),
        ("-", None),
        (".s", None),
        ("s", None),
        ("1 s", None),
        ("1s ", None),
        ("1d", None),
        ("1e3s", None),
        ("1.5.5s", None),
        ("--1s", None),
        ("1s-1s", None),
        ("9223372036854775807ns", Some(i64::MAX)),
        ("9223372036854775808ns", None),
        ("-9223372036854775808ns", Some(i64::MIN)),
        ("-9223372036854775809ns", None),
        ("99999999999999999999s", None),
        ("2562047h47m16.854775807s", Some(i64::MAX)),
        ("2562047h47m16.854775808s", None),
        ("0.100000000000000000000h", Some(360 * SECOND)),
        ("0.3333333333333333333h", Some(1_200 * SECOND)),
        ("0.9999999999s", Some(999_999_999)),
        ("5000000h5000000h", None),
    ];
    for (text, expected) in cases {
        assert_eq!(parse_duration(text), expected, "{text}");
    }
}

#[test]
fn prints_durations_as_go_does() {
    let cases = [
        (0, "0s", "0s"),
        (1, "0.000000001s", "1ns"),
        (-1_500, "-0.0000015s", "-1.5µs"),
        (1_050_000, "0.00105s", "1.05ms"),
        (1_500_000_000, "1.5s", "1.5s"),
        (90 * 60 * SECOND, "5400s", "1h30m0s"),
        (-60 * SECOND, "-60s", "-1m0s"),
        (61 * SECOND + 1, "61.000000001s", "1m1.000000001s"),
        (i64::MAX, "9223372036.854776s", "2562047h47m16.854775807s"),
        (i64::MIN, "-9223372036.854776s", "-2562047h47m16.854775808s"),
    ];
    for (nanos, seconds, units) in cases {
        assert_eq!(format_duration(nanos), seconds);
        assert_eq!(display_duration(nanos), units);
    }
}

#[test]
fn reads_times_as_go_does() {
    let cases = [
        ("1970-01-01T00:00:00Z", Some((0, 0))),
        ("2020-01-01T1:00:00Z", Some((1_577_840_400, 0))),
        ("2020-01-01T00:00:00+24:00", Some((1_577_750_400, 0))),
        ("2020-01-01T00:00:00+25:00", None),
        ("2020-01-01T00:00:00+00:60", Some((1_577_833_200, 0))),
        ("2020-01-01T00:00:00+00:61", None),
        ("2020-01-01T00:00:00-05:30", Some((1_577_856_600, 0))),
        ("2020-01-01T00:00:00,5Z", Some((1_577_836_800, 500_000_000))),
        ("2020-01-01T00:00:00.Z", None),
        (
            "2020-01-01T00:00:00.1234567891Z",
            Some((1_577_836_800, 123_456_789)),
        ),
        ("2020-01-01T24:00:00Z", None),
        ("2020-01-01T00:60:00Z", None),
        ("2020-01-01T00:00:60Z", None),
        ("2020-02-29T00:00:00Z", Some((1_582_934_400, 0))),
        ("2020-02-30T00:00:00Z", None),
        ("2019-02-29T00:00:00Z", None),
        ("1900-02-29T00:00:00Z", None),
        ("2000-02-29T00:00:00Z", Some((951_782_400, 0))),
        ("2020-00-01T00:00:00Z", None),
        ("2020-13-01T00:00:00Z", None),
        ("2020-01-00T00:00:00Z", None),
        ("2020-01-01t00:00:00z", None),
        ("2020-01-01 00:00:00Z", None),
        ("2020-01-01T00:00:00", None),
        ("2020-01-01T00:00:00+1:00", None),
        ("2020-01-01T00:00:00+01", None),
        ("2020-01-01T00:00:00Zx", None),
        ("2020-01-01T00:00:00+01:00x", None),
        ("20-01-01T00:00:00Z", None),
        ("2020-1-01T00:00:00Z", None),
        ("+020-01-01T00:00:00Z", None),
        ("", None),
        ("é020-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00Z", Some((-62_135_596_800, 0))),
        ("0000-01-01T00:00:00Z", Some((-62_167_219_200, 0))),
        (
            "9999-12-31T23:59:59.999999999Z",
            Some((253_402_300_799, 999_999_999)),
        ),
        ("1969-12-31T23:59:59.5Z", Some((-1, 500_000_000))),
    ];
    for (text, expected) in cases {
        let expected = expected.map(|(seconds, nanos)| Timestamp {
            seconds,
            nanos,
            ..Timestamp::default()
        });
        assert_eq!(parse_timestamp(text), expected, "{text}");
    }
}

#[test]
fn prints_times_as_go_does() {
    for text in [
        "1970-01-01T00:00:00Z",
        "2020-02-29T23:59:59.5Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999Z",
        "1969-12-31T23:59:59.000000001Z",
        "2000-12-31T12:00:00.12Z",
        "2000-12-31T12:00:00+05:30",
        "2000-01-01T00:00:00-00:30",
        "9999-12-31T23:59:59+24:00",
    ] {
        assert_eq!(
            parse_timestamp(text).map(format_timestamp).as_deref(),
            Some(text)
        );
    }
    let at = parse_timestamp("2020-01-01T01:00:00.25Z").unwrap();
    assert_eq!(display_timestamp(at), "2020-01-01 01:00:00.25 +0000 UTC");
    let at = parse_timestamp("2020-01-01T01:00:00.25-05:30").unwrap();
    assert_eq!(display_timestamp(at), "2020-01-01 01:00:00.25 -0530 -0530");
}

/// Getter, time, zone, result.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    Result<&'static str, &'static str>,
);

#[rustfmt::skip]
const GETTERS: &[Row] = &[
    ("getFullYear", "2020-12-31T23:59:59.999Z", "", Ok("2020")),
    ("getFullYear", "2020-12-31T23:59:59.999Z", "+00:01", Ok("2021")),
    ("getMonth", "2020-12-31T23:59:59.999Z", "UTC", Ok("11")),
    ("getDayOfYear", "2020-12-31T23:59:59.999Z", "", Ok("365")),
    ("getDayOfYear", "2020-01-01T00:00:00Z", "-00:01", Ok("364")),
    ("getDayOfMonth", "2020-12-31T23:59:59.999Z", "", Ok("30")),
    ("getDate", "2020-12-31T23:59:59.999Z", "", Ok("31")),
    ("getDayOfWeek", "2020-06-07T00:00:00Z", "", Ok("0")),
    ("getDayOfWeek", "1969-12-31T00:00:00Z", "", Ok("3")),
    ("getHours", "2020-06-01T00:00:00Z", "Local", Ok("0")),
    ("getMinutes", "2020-12-31T23:59:58.999Z", "", Ok("59")),
    ("getSeconds", "2020-12-31T23:59:58.999Z", "", Ok("58")),
    ("getMilliseconds", "2020-12-31T23:59:59.9999Z", "", Ok("999")),
    ("getHours", "2020-01-01T00:00:00.5Z", "+14:30", Ok("14")),
    ("getMinutes", "2020-01-01T00:00:00.5Z", "-02:30", Ok("30")),
    ("getHours", "2020-01-01T00:00:00.5Z", "-02:30", Ok("21")),
    ("getHours", "2020-06-01T00:00:00Z", "-0:30", Ok("23")),
    ("getHours", "2020-06-01T00:00:00Z", "+5:-30", Ok("4")),
    ("getHours", "2020-06-01T00:00:00Z", "99:99", Ok("4")),
    ("getHours", "2020-06-01T00:00:00Z", "America/New_York", Ok("20")),
    ("getHours", "2020-12-01T00:00:00Z", "America/New_York", Ok("19")),
    ("getHours", "2020-06-01T00:00:00Z", "US/Central", Ok("19")),
    ("getHours", "2020-06-01T00:00:00Z", "Etc/GMT+5", Ok("19")),
    ("getHours", "2020-06-01T00:00:00Z", "EST", Ok("19")),
    ("getFullYear", "9999-12-31T23:59:59Z", "Asia/Tokyo", Ok("10000")),
    ("getFullYear", "0001-01-01T00:00:00Z", "-05:00", Ok("0")),
    ("getFullYear", "0001-01-01T00:00:00Z", "America/New_York", Ok("0")),
    ("getHours", "2020-06-01T00:00:00Z", "america/new_york", Err("unknown time zone america/new_york")),
    ("getHours", "2020-06-01T00:00:00Z", "Foo/Bar", Err("unknown time zone Foo/Bar")),
    ("getHours", "2020-06-01T00:00:00Z", "../x", Err("time: invalid location name")),
    ("getHours", "2020-06-01T00:00:00Z", "/etc", Err("time: invalid location name")),
    ("getHours", "2020-06-01T00:00:00Z", "x:y", Err(r#"strconv.Atoi: parsing "x": invalid syntax"#)),
    ("getHours", "2020-06-01T00:00:00Z", ":30", Err(r#"strconv.Atoi: parsing "": invalid syntax"#)),
    ("getHours", "2020-06-01T00:00:00Z", "5:", Err(r#"strconv.Atoi: parsing "": invalid syntax"#)),
    ("getHours", "2020-06-01T00:00:00Z", "01:00:00", Err(r#"strconv.Atoi: parsing "00:00": invalid syntax"#)),
    ("getHours", "2020-06-01T00:00:00Z", "99999999999999999999:0", Err(r#"strconv.Atoi: parsing "99999999999999999999": value out of range"#)),
];

#[test]
fn getters_look_at_the_calendar_of_the_zone() {
    for (name, at, zone, expected) in GETTERS {
        let at = Value::Timestamp(parse_timestamp(at).unwrap());
        let result = call(FUNCTIONS, name, &[at.clone(), Value::from(*zone)]);
        let shown = result
            .map(|value| show(&value))
            .map_err(|error| error.to_string());
        assert_eq!(
            shown,
            expected.map(str::to_owned).map_err(str::to_owned),
            "{name} {at:?} {zone}"
        );
        if zone.is_empty() {
            let plain = call(FUNCTIONS, name, &[at]).map(|value| show(&value));
            assert_eq!(plain, Ok(expected.unwrap().to_owned()));
        }
    }
}

#[test]
fn durations_give_totals() {
    let cases = [
        ("getHours", "2562046h59m59.999999999s", 2_562_047),
        ("getHours", "-90m", -1),
        ("getMinutes", "90m59s", 90),
        ("getSeconds", "1500ms", 1),
        ("getSeconds", "-1500ms", -1),
        ("getMilliseconds", "1.5009s", 1_500),
    ];
    for (name, duration, expected) in cases {
        let args = [Value::Duration(parse_duration(duration).unwrap())];
        let result = call(FUNCTIONS, name, &args).map(|value| show(&value));
        assert_eq!(result, Ok(expected.to_string()), "{name} {duration}");
    }
}

#[test]
fn calendar_days_are_counted_without_gaps() {
    let mut expected = days_of(-1, 1, 1);
    for year in -1..=2400 {
        for month in 1..=12 {
            for day in 1..=days_in_month(year, month) {
                assert_eq!(days_of(year, month, day), expected);
                assert_eq!(date_of(expected), (year, month, day));
                expected += 1;
            }
        }
    }
    assert_eq!(days_of(1970, 1, 1), 0);
}
