use super::*;

/// Text, address or error.
type Row = (&'static str, Result<&'static str, &'static str>);

#[rustfmt::skip]
const ADDRESSES: &[Row] = &[
    ("1.2.3.4", Ok("1.2.3.4")),
    ("", Err("ParseAddr(\"\"): unable to parse IP")),
    ("1.2.3", Err("ParseAddr(\"1.2.3\"): IPv4 address too short")),
    ("1.2.3.4.5", Err("ParseAddr(\"1.2.3.4.5\"): IPv4 address too long")),
    ("1.2.3.", Err("ParseAddr(\"1.2.3.\"): IPv4 field must have at least one digit (at \".\")")),
    ("1..2.3", Err("ParseAddr(\"1..2.3\"): IPv4 field must have at least one digit (at \".2.3\")")),
    (".1.2.3", Err("ParseAddr(\".1.2.3\"): IPv4 field must have at least one digit (at \".1.2.3\")")),
    ("01.2.3.4", Err("ParseAddr(\"01.2.3.4\"): IPv4 field has octet with leading zero")),
    ("1.2.3.256", Err("ParseAddr(\"1.2.3.256\"): IPv4 field has value >255")),
    ("1.2.3.a", Err("ParseAddr(\"1.2.3.a\"): unexpected character (at \"a\")")),
    ("1.2.3.4%eth0", Err("ParseAddr(\"1.2.3.4%eth0\"): unexpected character (at \"%eth0\")")),
    ("::", Ok("::")),
    ("::1", Ok("::1")),
    ("1::", Ok("1::")),
    ("::1.2.3.4", Ok("::102:304")),
    ("fe80::1%eth0", Ok("fe80::1 zoned")),
    ("fe80::1%", Err("ParseAddr(\"fe80::1%\"): zone must be a non-empty string")),
    ("%eth0", Err("ParseAddr(\"%eth0\"): missing IPv6 address")),
    ("fe80%1", Err("ParseAddr(\"fe80%1\"): missing IPv6 address")),
    ("2001:0db8:0:0:0:0:0:1", Ok("2001:db8::1")),
    ("1:2:3:4:5:6:7:8", Ok("1:2:3:4:5:6:7:8")),
    ("1:2:3:4:5:6:7:8:9", Err("ParseAddr(\"1:2:3:4:5:6:7:8:9\"): trailing garbage after address (at \"9\")")),
    ("1:2:3:4:5:6:7", Err("ParseAddr(\"1:2:3:4:5:6:7\"): address string too short")),
    ("1:2:3:4:5:6:7::", Ok("1:2:3:4:5:6:7:0")),
    ("1:2:3:4:5:6:7:8::", Err("ParseAddr(\"1:2:3:4:5:6:7:8::\"): the :: must expand to at least one field of zeros")),
    ("::1::", Err("ParseAddr(\"::1::\"): multiple :: in address (at \":\")")),
    ("1:::2", Err("ParseAddr(\"1:::2\"): each colon-separated field must have at least one digit (at \":2\")")),
    (":1", Err("ParseAddr(\":1\"): each colon-separated field must have at least one digit (at \":1\")")),
    ("1:", Err("ParseAddr(\"1:\"): colon must be followed by more characters (at \":\")")),
    (":", Err("ParseAddr(\":\"): each colon-separated field must have at least one digit (at \":\")")),
    ("12345::", Err("ParseAddr(\"12345::\"): each group must have 4 or less digits (at \"12345::\")")),
    ("g::", Err("ParseAddr(\"g::\"): each colon-separated field must have at least one digit (at \"g::\")")),
    ("1:2:3:4:5:6:1.2.3.4", Ok("1:2:3:4:5:6:102:304")),
    ("1:2:3:4:5:1.2.3.4", Err("ParseAddr(\"1:2:3:4:5:1.2.3.4\"): embedded IPv4 address must replace the final 2 fields of the address (at \"1.2.3.4\")")),
    ("1:2:3:4:5:6:7:1.2.3.4", Err("ParseAddr(\"1:2:3:4:5:6:7:1.2.3.4\"): embedded IPv4 address must replace the final 2 fields of the address (at \"1.2.3.4\")")),
    ("::1.2.3", Err("ParseAddr(\"::1.2.3\"): IPv4 address too short")),
    ("::1:2:3:4:5:6:7:1.2.3.4", Err("ParseAddr(\"::1:2:3:4:5:6:7:1.2.3.4\"): too many hex fields to fit an embedded IPv4 at the end of the address (at \"1.2.3.4\")")),
    ("localhost", Err("ParseAddr(\"localhost\"): unable to parse IP")),
    ("1:2:3 4", Err("ParseAddr(\"1:2:3 4\"): unexpected character, want colon (at \" 4\")")),
    ("é::", Err("ParseAddr(\"é::\"): each colon-separated field must have at least one digit (at \"é::\")")),
    ("1.2.3.é", Err("ParseAddr(\"1.2.3.é\"): unexpected character (at \"é\")")),
    ("0:0:1:0:0:0:1:0", Ok("0:0:1::1:0")),
    ("1:0:0:2:0:0:0:3", Ok("1:0:0:2::3")),
    (" 1.2.3.4", Err("ParseAddr(\" 1.2.3.4\"): unexpected character (at \" 1.2.3.4\")")),
];

#[rustfmt::skip]
const PREFIXES: &[Row] = &[
    ("1.2.3.4/0", Ok("1.2.3.4/0")),
    ("1.2.3.4/32", Ok("1.2.3.4/32")),
    ("1.2.3.4/33", Err("netip.ParsePrefix(\"1.2.3.4/33\"): prefix length out of range")),
    ("::1/128", Ok("::1/128")),
    ("::1/129", Err("netip.ParsePrefix(\"::1/129\"): prefix length out of range")),
    ("1.2.3.4", Err("netip.ParsePrefix(\"1.2.3.4\"): no '/'")),
    ("1.2.3.4/", Err("netip.ParsePrefix(\"1.2.3.4/\"): bad bits after slash: \"\"")),
    ("1.2.3.4/x", Err("netip.ParsePrefix(\"1.2.3.4/x\"): bad bits after slash: \"x\"")),
    ("1.2.3.4/+1", Err("netip.ParsePrefix(\"1.2.3.4/+1\"): bad bits after slash: \"+1\"")),
    ("1.2.3.4/-1", Err("netip.ParsePrefix(\"1.2.3.4/-1\"): bad bits after slash: \"-1\"")),
    ("1.2.3.4/01", Err("netip.ParsePrefix(\"1.2.3.4/01\"): bad bits after slash: \"01\"")),
    ("1.2.3.4/1a", Err("netip.ParsePrefix(\"1.2.3.4/1a\"): bad bits after slash: \"1a\"")),
    ("1.2.3/8", Err("netip.ParsePrefix(\"1.2.3/8\"): ParseAddr(\"1.2.3\"): IPv4 address too short")),
    ("fe80::1%eth0/64", Err("netip.ParsePrefix(\"fe80::1%eth0/64\"): IPv6 zones cannot be present in a prefix")),
    ("/8", Err("netip.ParsePrefix(\"/8\"): ParseAddr(\"\"): unable to parse IP")),
    ("1.2.3.4/8/9", Err("netip.ParsePrefix(\"1.2.3.4/8/9\"): ParseAddr(\"1.2.3.4/8\"): unexpected character (at \"/8\")")),
    ("1.2.3.4/99999999999999999999", Err("netip.ParsePrefix(\"1.2.3.4/99999999999999999999\"): bad bits after slash: \"99999999999999999999\"")),
];

#[test]
fn addresses_are_read_as_go_reads_them() {
    for (text, expected) in ADDRESSES {
        let zone = |zoned| if zoned { " zoned" } else { "" };
        let parsed = parse(text).map(|parsed| format!("{}{}", parsed.addr, zone(parsed.zoned)));
        assert_eq!(
            parsed,
            expected.map(str::to_owned).map_err(str::to_owned),
            "{text}"
        );
    }
}

#[test]
fn prefixes_are_read_as_go_reads_them() {
    for (text, expected) in PREFIXES {
        let parsed = parse_prefix(text).map(|(addr, length)| format!("{addr}/{length}"));
        assert_eq!(
            parsed,
            expected.map(str::to_owned).map_err(str::to_owned),
            "{text}"
        );
    }
}
