use super::super::testing::{Expression, check_expressions};

#[rustfmt::skip]
const CASES: &[Expression] = &[
    ("ip('1.2.3.4').family()", Ok("4")),
    ("ip('::1').family()", Ok("6")),
    ("ip('0.0.0.0').isUnspecified()", Ok("true")),
    ("ip('::').isUnspecified()", Ok("true")),
    ("ip('0.0.0.1').isUnspecified()", Ok("false")),
    ("ip('127.255.255.255').isLoopback()", Ok("true")),
    ("ip('::1').isLoopback()", Ok("true")),
    ("ip('128.0.0.1').isLoopback()", Ok("false")),
    ("ip('224.0.0.1').isLinkLocalMulticast()", Ok("true")),
    ("ip('224.0.1.1').isLinkLocalMulticast()", Ok("false")),
    ("ip('ff02::1').isLinkLocalMulticast()", Ok("true")),
    ("ip('ff12::1').isLinkLocalMulticast()", Ok("true")),
    ("ip('ff05::1').isLinkLocalMulticast()", Ok("false")),
    ("ip('169.254.1.1').isLinkLocalUnicast()", Ok("true")),
    ("ip('fe80::1').isLinkLocalUnicast()", Ok("true")),
    ("ip('febf::1').isLinkLocalUnicast()", Ok("true")),
    ("ip('fec0::1').isLinkLocalUnicast()", Ok("false")),
    ("ip('10.0.0.1').isLinkLocalUnicast()", Ok("false")),
    ("ip('10.0.0.1').isGlobalUnicast()", Ok("true")),
    ("ip('255.255.255.255').isGlobalUnicast()", Ok("false")),
    ("ip('239.1.1.1').isGlobalUnicast()", Ok("false")),
    ("ip('fd00::1').isGlobalUnicast()", Ok("true")),
    ("ip('fe80::1').isGlobalUnicast()", Ok("false")),
    ("ip('ff02::1').isGlobalUnicast()", Ok("false")),
    ("ip('127.0.0.1').isGlobalUnicast()", Ok("false")),
    ("ip('2001:0DB8::0:1')", Ok("2001:db8::1")),
    ("string(ip('1.2.3.4'))", Ok("\"1.2.3.4\"")),
    ("ip('::ffff:1.2.3.4')", Err("IPv4-mapped IPv6 address \"::ffff:1.2.3.4\" is not allowed")),
    ("ip('fe80::1%eth0')", Err("IP address \"fe80::1%eth0\" with zone value is not allowed")),
    ("ip('1.2.3')", Err("IP Address \"1.2.3\" parse error during conversion from string: ParseAddr(\"1.2.3\"): IPv4 address too short")),
    ("isIP('1.2.3.4')", Ok("true")),
    ("isIP('::ffff:1.2.3.4')", Ok("false")),
    ("isIP('fe80::1%eth0')", Ok("false")),
    ("isIP('x')", Ok("false")),
    ("ip.isCanonical('2001:db8::1')", Ok("true")),
    ("ip.isCanonical('2001:DB8::1')", Ok("false")),
    ("ip.isCanonical('2001:db8:0::1')", Ok("false")),
    ("ip.isCanonical('x')", Err("IP Address \"x\" parse error during conversion from string: ParseAddr(\"x\"): unable to parse IP")),
    ("ip('::1') == ip('0::1')", Ok("true")),
    ("ip('1.2.3.4') == dyn('1.2.3.4')", Err("no such overload")),
    ("ip('1.2.3.4') != dyn('1.2.3.4')", Ok("true")),
    ("type(ip('::1'))", Ok("net.IP")),
    ("ip(dyn(1))", Err("no such overload: ip(int)")),
];

#[test]
fn addresses_behave_as_in_the_api_server() {
    check_expressions(CASES);
}
