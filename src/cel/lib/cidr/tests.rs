use super::super::testing::{Expression, check_expressions};
use super::*;

#[rustfmt::skip]
const CASES: &[Expression] = &[
    ("cidr('10.1.2.3/8').ip()", Ok("10.1.2.3")),
    ("cidr('10.1.2.3/8').masked()", Ok("10.0.0.0/8")),
    ("cidr('10.1.2.3/8').prefixLength()", Ok("8")),
    ("cidr('fd00::1/12').ip()", Ok("fd00::1")),
    ("cidr('fd00::1/12').masked()", Ok("fd00::/12")),
    ("cidr('fd00::1/12').prefixLength()", Ok("12")),
    ("cidr('1.2.3.4/32').ip()", Ok("1.2.3.4")),
    ("cidr('1.2.3.4/32').masked()", Ok("1.2.3.4/32")),
    ("cidr('1.2.3.4/32').prefixLength()", Ok("32")),
    ("cidr('::1/0').ip()", Ok("::1")),
    ("cidr('::1/0').masked()", Ok("::/0")),
    ("cidr('::1/0').prefixLength()", Ok("0")),
    ("cidr('10.0.0.0/8').containsIP('10.1.2.3')", Ok("true")),
    ("cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))", Ok("false")),
    ("cidr('0.0.0.0/0').containsIP('::1')", Ok("false")),
    ("cidr('::/0').containsIP('1.2.3.4')", Ok("false")),
    ("cidr('::/0').containsIP('::1')", Ok("true")),
    ("cidr('10.0.0.0/8').containsIP('bad')", Err("no such overload")),
    ("cidr('10.0.0.0/8').containsIP('::ffff:10.0.0.1')", Err("no such overload")),
    ("cidr('10.0.0.0/8').containsIP(dyn(1))", Err("no such overload: containsIP(net.CIDR, int)")),
    ("cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')", Ok("true")),
    ("cidr('10.1.0.0/16').containsCIDR(cidr('10.0.0.0/8'))", Ok("false")),
    ("cidr('10.1.0.0/16').containsCIDR('10.1.2.3/16')", Ok("true")),
    ("cidr('10.0.0.0/9').containsCIDR('10.128.0.0/9')", Ok("false")),
    ("cidr('0.0.0.0/0').containsCIDR('::/0')", Ok("false")),
    ("cidr('10.0.0.0/8').containsCIDR('bad')", Err("network address parse error during conversion from string: network address parse error during conversion from string: netip.ParsePrefix(\"bad\"): no '/'")),
    ("cidr('::ffff:1.2.3.4/96')", Err("network address parse error during conversion from string: IPv4-mapped IPv6 address \"::ffff:1.2.3.4/96\" is not allowed")),
    ("isCIDR('10.0.0.1/8')", Ok("true")),
    ("isCIDR('10.0.0.1')", Ok("false")),
    ("isCIDR('::ffff:1.2.3.4/96')", Ok("false")),
    ("string(cidr('10.1.2.3/8'))", Ok("\"10.1.2.3/8\"")),
    ("cidr('10.1.2.3/8') == cidr('10.0.0.0/8')", Ok("false")),
    ("cidr('10.0.0.0/8') == cidr('10.0.0.0/8')", Ok("true")),
    ("cidr('10.0.0.0/8') != dyn(1)", Ok("true")),
    ("type(cidr('10.0.0.0/8'))", Ok("net.CIDR")),
];

#[test]
fn networks_behave_as_in_the_api_server() {
    check_expressions(CASES);
}

#[test]
fn costs_follow_the_length_of_the_network() {
    let network = |text| Value::opaque(Cidr::parse(text).unwrap());
    let address = |text| Value::opaque(ip::parse(text).unwrap());
    let text = |text: &'static str| Value::from(text);
    let cases = [
        (
            "containsIP",
            [network("10.0.0.0/8"), address("10.0.0.1")],
            1,
        ),
        ("containsIP", [network("::/128"), address("::1")], 4),
        ("containsIP", [network("::/0"), text("12345678901")], 2),
        ("containsCIDR", [network("::/128"), network("::/128")], 7),
        ("containsCIDR", [network("::/0"), text("::1/128")], 2),
    ];
    for (name, args, expected) in cases {
        let overload = FUNCTIONS
            .iter()
            .filter(|function| function.name == name)
            .flat_map(|function| function.overloads)
            .find(|overload| {
                matches!(overload.params[1], Ty::String) == matches!(args[1], Value::String(_))
            });
        let Some(Cost::Custom(cost)) = overload.map(|overload| overload.cost) else {
            panic!("{name} has no cost of its own");
        };
        assert_eq!(cost(&args, &Value::Null), expected, "{name} {args:?}");
    }
}
