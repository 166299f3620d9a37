//! Readings taken from the API server's own quantities.

use super::*;

/// Text, as printed, printed anew, as an integer, as a double.
type Row = (&'static str, &'static str, &'static str, Option<i64>, f64);

#[rustfmt::skip]
const READ: &[Row] = &[
    ("0", "0", "0", Some(0), 0.0),
    ("1", "1", "1", Some(1), 1.0),
    ("+5", "+5", "5", Some(5), 5.0),
    ("-5", "-5", "-5", Some(-5), -5.0),
    ("00005", "00005", "5", Some(5), 5.0),
    ("5.", "5.", "5", Some(5), 5.0),
    ("1.G", "1.G", "1G", Some(1000000000), 1e9),
    (".5", "500m", "500m", None, 0.5),
    (".5Gi", "512Mi", "512Mi", None, 5.36870912e8),
    ("1.5Gi", "1536Mi", "1536Mi", None, 1.610612736e9),
    ("1Pi", "1Pi", "1Pi", None, 1.125899906842624e15),
    ("1Ti", "1Ti", "1Ti", Some(1099511627776), 1.099511627776e12),
    ("1000", "1k", "1k", Some(1000), 1000.0),
    ("1000m", "1", "1", None, 1.0),
    ("1.0", "1", "1", None, 1.0),
    ("1.500", "1.500", "1500m", None, 1.5),
    ("0.5", "500m", "500m", None, 0.5),
    ("500m", "500m", "500m", None, 0.5),
    ("1e3", "1e3", "1e3", Some(1000), 1000.0),
    ("1E3", "1E3", "1e3", Some(1000), 1000.0),
    ("1E", "1E", "1E", Some(1000000000000000000), 1e18),
    ("1Ei", "1Ei", "1Ei", None, 1.152921504606847e18),
    ("8Ei", "9223372036854775807", "9223372036854775807", None, 9.223372036854776e18),
    ("9Ei", "9223372036854775807", "9223372036854775807", None, 9.223372036854776e18),
    ("-9Ei", "-9223372036854775807", "-9223372036854775807", None, -9.223372036854776e18),
    ("100Ei", "9223372036854775807", "9223372036854775807", None, 9.223372036854776e18),
    ("1e20", "100e18", "100e18", None, 1e20),
    ("1e21", "1e21", "1e21", None, 1e21),
    ("123456789012345678", "123456789012345678", "123456789012345678", Some(123456789012345678), 1.2345678901234568e17),
    ("1234567890123456789", "1234567890123456789", "1234567890123456789", None, 1.234567890123457e18),
    ("12345678901234567890", "12345678901234567890", "12345678901234567890", None, 1.234567890123457e19),
    ("0.000000001", "1n", "1n", None, 1e-9),
    ("0.0000000001", "1n", "1n", None, 1e-9),
    ("-0.0000000001", "-1n", "-1n", None, -1e-9),
    ("1n", "1n", "1n", None, 1e-9),
    ("1e-9", "1e-9", "1e-9", None, 1e-9),
    ("1e-10", "1e-9", "1e-9", None, 1e-9),
    ("1e-20", "1e-9", "1e-9", None, 1e-9),
    ("0e-20", "0", "0", None, 0.0),
    ("1u", "1u", "1u", None, 1e-6),
    ("1.1u", "1100n", "1100n", None, 1.1e-6),
    ("1.0001u", "1001n", "1001n", None, 1.001e-6),
    ("1023", "1023", "1023", Some(1023), 1023.0),
    ("1024", "1024", "1024", Some(1024), 1024.0),
    ("1024Ki", "1Mi", "1Mi", Some(1048576), 1.048576e6),
    ("1023Ki", "1023Ki", "1023Ki", Some(1047552), 1.047552e6),
    ("2048Ki", "2Mi", "2Mi", Some(2097152), 2.097152e6),
    ("0.1Ki", "102400m", "102400m", None, 102.4),
    ("0.0001Ki", "102400u", "102400u", None, 0.1024),
    ("1.1Ki", "1126400m", "1126400m", None, 1126.4),
    ("0.0000000001Ki", "103n", "103n", None, 1.0300000000000001e-7),
    ("1e+5", "100e3", "100e3", Some(100000), 100000.0),
    ("1e-5", "10e-6", "10e-6", None, 1e-5),
    ("1e05", "100e3", "100e3", Some(100000), 100000.0),
    ("e5", "0", "0", Some(0), 0.0),
    ("k", "0", "0", Some(0), 0.0),
    ("Ki", "0", "0", Some(0), 0.0),
    (".", "0", "0", Some(0), 0.0),
    ("+", "0", "0", Some(0), 0.0),
    ("-", "0", "0", Some(0), 0.0),
    ("1e4294967296", "1e4294967296", "1", Some(1), 1.0),
    ("999999999999999999", "999999999999999999", "999999999999999999", Some(999999999999999999), 1e18),
    ("999999999999999999E", "999999999999999999E", "999999999999999999E", None, 1e36),
    ("1000E", "1", "1", None, 1e21),
    ("5000k", "5M", "5M", Some(5000000), 5e6),
    ("1000000k", "1G", "1G", Some(1000000000), 1e9),
    ("1500k", "1500k", "1500k", Some(1500000), 1.5e6),
    ("0.25M", "250k", "250k", Some(250000), 250000.0),
    ("12345.6789", "12345678900u", "12345678900u", None, 12345.6789),
    ("1e100", "10e99", "10e99", None, 1e100),
    ("100e100", "1e102", "1e102", None, 1e102),
    ("3e5", "300e3", "300e3", Some(300000), 300000.0),
    ("-1.5", "-1500m", "-1500m", None, -1.5),
    ("-1.5Gi", "-1536Mi", "-1536Mi", None, -1.610612736e9),
    ("-1500m", "-1500m", "-1500m", None, -1.5),
    ("1024Mi", "1Gi", "1Gi", Some(1073741824), 1.073741824e9),
    ("1536Mi", "1536Mi", "1536Mi", Some(1610612736), 1.610612736e9),
    ("1000Mi", "1000Mi", "1000Mi", Some(1048576000), 1.048576e9),
    ("100.5Mi", "102912Ki", "102912Ki", None, 1.05381888e8),
    ("4096", "4096", "4096", Some(4096), 4096.0),
    ("10Ki", "10Ki", "10Ki", Some(10240), 10240.0),
    ("7Ki", "7Ki", "7Ki", Some(7168), 7168.0),
    ("8Ki", "8Ki", "8Ki", Some(8192), 8192.0),
    ("0Ki", "0", "0", Some(0), 0.0),
    ("-0", "0", "0", Some(0), 0.0),
    ("-0Gi", "0", "0", Some(0), 0.0),
    ("9223372036854775807", "9223372036854775807", "9223372036854775807", None, 9.223372036854776e18),
    ("9223372036854775808", "9223372036854775808", "9223372036854775808", None, 9.223372036854776e18),
    ("-9223372036854775808", "-9223372036854775808", "-9223372036854775808", None, -9.223372036854776e18),
    ("0.1", "100m", "100m", None, 0.1),
    ("0.7", "700m", "700m", None, 0.7000000000000001),
    ("1.1", "1100m", "1100m", None, 1.1),
    ("2.3Mi", "2411724800m", "2411724800m", None, 2.4117248000000003e6),
    ("1024Pi", "1Ei", "1Ei", None, 1.152921504606847e18),
    ("1e18", "1e18", "1e18", Some(1000000000000000000), 1e18),
    ("1e19", "10e18", "10e18", None, 1e19),
    ("10P", "10P", "10P", Some(10000000000000000), 1e16),
];

#[rustfmt::skip]
const REFUSED: &[(&str, QuantityError)] = &[
    ("1e3k", QuantityError::Format),
    ("K", QuantityError::Suffix),
    ("ki", QuantityError::Suffix),
    ("", QuantityError::Format),
    ("+-5", QuantityError::Suffix),
    ("1..2", QuantityError::Format),
    ("1.2.3", QuantityError::Format),
    ("abc", QuantityError::Format),
    ("1 ", QuantityError::Format),
    ("1Gi ", QuantityError::Format),
    ("1GiB", QuantityError::Format),
    ("1 Gi", QuantityError::Format),
    ("1mi", QuantityError::Suffix),
    ("1Mi5", QuantityError::Suffix),
    ("1e", QuantityError::Suffix),
    ("1e5k", QuantityError::Format),
    ("1ee5", QuantityError::Suffix),
    ("1e9223372036854775808", QuantityError::Suffix),
    ("é", QuantityError::Format),
    ("1é", QuantityError::Format),
    (".e-20", QuantityError::Numeric),
    ("e-20", QuantityError::Numeric),
];

fn read(text: &str) -> Quantity {
    Quantity::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn reads_and_prints_what_the_api_server_reads_and_prints() {
    for (text, printed, canonical, int, float) in READ {
        let quantity = read(text);
        assert_eq!(quantity.to_string(), *printed, "{text}");
        let (number, suffix) = quantity.canonical();
        assert_eq!(number + &suffix, *canonical, "{text}");
        assert_eq!(quantity.as_int(), *int, "{text}");
        assert_eq!(quantity.as_approximate_float(), *float, "{text}");
    }
}

#[test]
fn refuses_what_the_api_server_refuses() {
    for (text, error) in REFUSED {
        assert_eq!(Quantity::parse(text).err(), Some(*error), "{text}");
    }
    assert_eq!(
        QuantityError::Format.to_string(),
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    );
    assert_eq!(
        QuantityError::Numeric.to_string(),
        "unable to parse numeric part of quantity"
    );
    assert_eq!(
        QuantityError::Suffix.to_string(),
        "unable to parse quantity's suffix"
    );
}

#[test]
fn compares_by_value_whatever_the_representation() {
    let ascending = [
        "-9Ei",
        "-1.5Gi",
        "-2",
        "-1500m",
        "-1n",
        "0",
        "1e-100",
        "1u",
        "999999n",
        "1m",
        "0.1",
        "1",
        "1.0000001",
        "1Ki",
        "1025",
        "1.5Gi",
        "1537Mi",
        "8Ei",
        "9223372036854775808",
        "1e20",
        "1e1000000000",
    ];
    let ascending = ascending.map(read);
    for (at, low) in ascending.iter().enumerate() {
        for (other, high) in ascending.iter().enumerate() {
            assert_eq!(low.cmp(high), at.cmp(&other), "{low} {high}");
        }
    }
    for (left, right) in [
        ("1000m", "1"),
        ("1Gi", "1024Mi"),
        ("1.5Gi", "1536Mi"),
        ("200M", "0.2G"),
        ("-0", "0"),
        ("1e3", "1k"),
    ] {
        assert_eq!(read(left), read(right));
    }
}

#[test]
fn adds_and_subtracts() {
    let cases = [
        ("50k", "20", "50020", "49980"),
        ("1.5Gi", "1.5Gi", "3Gi", "0"),
        ("0", "1Gi", "1Gi", "-1Gi"),
        ("1Gi", "0", "1Gi", "1Gi"),
        ("1", "1Gi", "1073741825", "-1073741823"),
        ("1Gi", "1", "1073741825", "1073741823"),
        ("100m", "1n", "100000001n", "99999999n"),
        (
            "9223372036854775807",
            "1",
            "9223372036854775808",
            "9223372036854775806",
        ),
        (
            "999999999999999999E",
            "1n",
            "999999999999999999000000000000000000000000001n",
            "999999999999999998999999999999999999999999999n",
        ),
        (
            "1E",
            "1n",
            "1000000000000000000000000001n",
            "999999999999999999999999999n",
        ),
        ("-5", "5", "0", "-10"),
        ("1e3", "1k", "2e3", "0"),
        ("512Ki", "512Ki", "1Mi", "0"),
        ("1Ki", "24", "1048", "1k"),
    ];
    for (left, right, sum, difference) in cases {
        assert_eq!(
            read(left).add(&read(right)).unwrap().to_string(),
            sum,
            "{left} + {right}"
        );
        assert_eq!(
            read(left).sub(&read(right)).unwrap().to_string(),
            difference,
            "{left} - {right}"
        );
    }
    assert_eq!(
        Quantity::from_int(20).add(&read("0")).unwrap().to_string(),
        "20"
    );
}

#[test]
fn hostile_exponents_cost_nothing() {
    let huge = read("1e1000000000");
    assert_eq!(huge.add(&read("1n")).err(), Some(QuantityError::TooLong));
    assert!(huge > read("9Ei"));
    assert_eq!(huge.as_int(), None);
    assert_eq!(huge.as_approximate_float(), f64::INFINITY);
    assert_eq!(read("1e-1000000000").to_string(), "1e-9");
    assert_eq!(read("0e1000000000").as_int(), Some(0));
    assert_eq!(read("0e-1000000000").add(&read("1")).unwrap(), read("1"));
    // The scale of a zero shows in the double of a sum.
    let sum = read("9m").sub(&read("0e-12")).unwrap();
    assert_eq!(sum.as_approximate_float(), 0.009);
    assert_eq!(
        Quantity::parse(&format!("1234567890123456789e{}", 1_000_000)).err(),
        Some(QuantityError::Numeric)
    );
}
