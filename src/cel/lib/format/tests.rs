use super::super::testing::cost;
use super::super::testing::{Expression, check_expressions};
use super::*;

#[rustfmt::skip]
const CASES: &[Expression] = &[
    ("'%f %.0f %.2f %e'.format([0.0, 0.0, 0.0, 0.0])", Ok("\"0.000000 0 0.00 0.000000×10⁰⁰\"")),
    ("'%f %.0f %.2f %e'.format([-0.0, -0.0, -0.0, -0.0])", Ok("\"0.000000 0 0.00 0.000000×10⁰⁰\"")),
    ("'%f %.0f %.2f %e'.format([1.0, 1.0, 1.0, 1.0])", Ok("\"1.000000 1 1.00 1.000000×10⁰⁰\"")),
    ("'%f %.0f %.2f %e'.format([-1.5, -1.5, -1.5, -1.5])", Ok("\"-1.500000 -2 -1.50 -1.500000×10⁰⁰\"")),
    ("'%f %.0f %.2f %e'.format([0.5, 0.5, 0.5, 0.5])", Ok("\"0.500000 0 0.50 5.000000×10⁻⁰¹\"")),
    ("'%f %.0f %.2f %e'.format([1.5, 1.5, 1.5, 1.5])", Ok("\"1.500000 2 1.50 1.500000×10⁰⁰\"")),
    ("'%f %.0f %.2f %e'.format([2.5, 2.5, 2.5, 2.5])", Ok("\"2.500000 2 2.50 2.500000×10⁰⁰\"")),
    ("'%f %.0f %.2f %e'.format([0.125, 0.125, 0.125, 0.125])", Ok("\"0.125000 0 0.12 1.250000×10⁻⁰¹\"")),
    ("'%f %.0f %.2f %e'.format([1234567.891, 1234567.891, 1234567.891, 1234567.891])", Ok("\"1,234,567.891000 1,234,568 1,234,567.89 1.234568×10⁰⁶\"")),
    ("'%f %.0f %.2f %e'.format([1e21, 1e21, 1e21, 1e21])", Ok("\"1,000,000,000,000,000,000,000.000000 1,000,000,000,000,000,000,000 1,000,000,000,000,000,000,000.00 1.000000×10²¹\"")),
    ("'%f %.0f %.2f %e'.format([1e-7, 1e-7, 1e-7, 1e-7])", Ok("\"0.000000 0 0.00 1.000000×10⁻⁰⁷\"")),
    ("'%f %.0f %.2f %e'.format([-0.0000001, -0.0000001, -0.0000001, -0.0000001])", Ok("\"-0.000000 -0 -0.00 -1.000000×10⁻⁰⁷\"")),
    ("'%f %.0f %.2f %e'.format([999999.9999995, 999999.9999995, 999999.9999995, 999999.9999995])", Ok("\"999,999.999999 1,000,000 1,000,000.00 1.000000×10⁰⁶\"")),
    ("'%f %.0f %.2f %e'.format([2.675, 2.675, 2.675, 2.675])", Ok("\"2.675000 3 2.67 2.675000×10⁰⁰\"")),
    ("'%f %.0f %.2f %e'.format([double('inf'), double('inf'), double('inf'), double('inf')])", Ok("\"∞ ∞ ∞      ∞\"")),
    ("'%f %.0f %.2f %e'.format([-double('inf'), -double('inf'), -double('inf'), -double('inf')])", Ok("\"-∞ -∞ -∞     -∞\"")),
    ("'%f %.0f %.2f %e'.format([double('nan'), double('nan'), double('nan'), double('nan')])", Ok("\"NaN NaN NaN    NaN\"")),
    ("'%.20f'.format([0.1])", Ok("\"0.10000000000000000555\"")),
    ("'%.256f'.format([0.1])", Ok("\"0.1000000000000000055511151231257827021181583404541015625\"")),
    ("'%.300f'.format([1.5])", Ok("\"1.50000000000000000000000000000000000000000000\"")),
    ("'%.32768f'.format([0.1])", Ok("\"0.1\"")),
    ("'%.10000010f'.format([1.5])", Ok("\"%!(NOVERB)\"")),
    ("'%.18e'.format([-0.5])", Ok("\"   -5.000000×10⁻⁰¹\"")),
    ("'%.0e'.format([1e100])", Ok("\"1.000000×10¹⁰⁰\"")),
    ("'%.1e|%.3e'.format([5e-324, double('inf')])", Ok("\"4.940656×10⁻³²⁴|  ∞\"")),
    ("'%.10000010e'.format([1.5])", Ok("\"%!(NOVERB)\"")),
    ("'%f %e %f'.format(['NaN', 'Infinity', '-Infinity'])", Ok("\"NaN      ∞ -∞\"")),
    ("'%s %s %s %s %s'.format([b'abc', null, timestamp('2020-01-01T00:00:00.5+01:00'), duration('90m'), type('')])", Ok("\"abc null 2020-01-01T00:00:00.5+01:00 5400s string\"")),
    ("'%s %s %s %s'.format([1, 1u, 1000000.0, true])", Ok("\"1 1 1e+06 true\"")),
    ("'%s'.format([[1.5, 'a\"\\n', b'\\x01', null, true, 1u, timestamp('2020-01-01T00:00:00Z'), duration('1.5s'), type(1), double('inf'), [1], {'a': 1.0}]])", Ok("\"[1.500000, \\\"a\\\\\\\"\\\\n\\\", b\\\"\\\\x01\\\", null, true, 1, timestamp(\\\"2020-01-01T00:00:00Z\\\"), duration(\\\"1.5s\\\"), int, \\\"+Inf\\\", [1], {\\\"a\\\":1.000000}]\"")),
    ("'%s'.format([{10: 'a', 9: 'b', -1: 'c'}])", Ok("\"{-1:\\\"c\\\", 10:\\\"a\\\", 9:\\\"b\\\"}\"")),
    ("'%s'.format([{1: 'a', 2u: 'b', true: 'c', 'd': []}])", Ok("\"{\\\"d\\\":[], 1:\\\"a\\\", 2:\\\"b\\\", true:\\\"c\\\"}\"")),
    ("'%s'.format([b'\\xff'])", Err("error during formatting: could not convert argument \"invalid UTF-8 in bytes, cannot convert to string\" to string")),
    ("'%s'.format([[b'\\xff']])", Err("error during formatting: could not convert argument \"invalid UTF-8 in bytes, cannot convert to string\" to string")),
    ("'%s'.format([dyn(optional.of(1))])", Err("error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given optional_type")),
    ("'%s'.format([[dyn(quantity('1'))]])", Err("error during formatting: no formatting function for kubernetes.Quantity")),
    ("'%x %X %x %X %x'.format([-255, 255u, 'hé', b'\\xab', 255])", Ok("\"-ff FF 68c3a9 AB ff\"")),
    ("'%b %b %b %b'.format([-5, 5u, true, false])", Ok("\"-101 101 1 0\"")),
    ("'%o %o'.format([-8, 8u])", Ok("\"-10 10\"")),
    ("'%d %d'.format([-9223372036854775808, 18446744073709551615u])", Ok("\"-9223372036854775808 18446744073709551615\"")),
    ("'é%%世%s😀'.format(['x'])", Ok("\"é%世x😀\"")),
    ("'%.3d %.3s'.format([1, 'a'])", Ok("\"1 a\"")),
    ("dyn('%d').format([1, 2])", Ok("\"1\"")),
    ("dyn('%d %d').format([1])", Err("index 1 out of range")),
    ("dyn('%').format([])", Err("index 0 out of range")),
    ("dyn('%').format([1])", Err("unexpected end of string")),
    ("dyn('%z').format([1])", Err("could not parse formatting clause: unrecognized formatting clause \"z\"")),
    ("dyn('%é').format([1])", Err("could not parse formatting clause: unrecognized formatting clause \"Ã\"")),
    ("dyn('%.f').format([1])", Err("could not parse formatting clause: error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing \"\": invalid syntax")),
    ("dyn('%.5').format([1])", Err("could not parse formatting clause: error while parsing precision: could not find end of precision specifier")),
    ("dyn('%.').format([1])", Err("could not parse formatting clause: error while parsing precision: could not find end of precision specifier")),
    ("dyn('%.99999999999999999999f').format([1.5])", Err("could not parse formatting clause: error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing \"99999999999999999999\": value out of range")),
    ("dyn('%d').format(['x'])", Err("error during formatting: decimal clause can only be used on integers, was given string")),
    ("dyn('%f').format([1])", Err("error during formatting: fixed-point clause can only be used on doubles, was given int")),
    ("dyn('%e').format(['x'])", Err("error during formatting: scientific clause can only be used on doubles, was given string")),
    ("dyn('%b').format(['x'])", Err("error during formatting: only integers and bools can be formatted as binary, was given string")),
    ("dyn('%x').format([1.5])", Err("error during formatting: only integers, byte buffers, and strings can be formatted as hex, was given double")),
    ("dyn('%o').format([true])", Err("error during formatting: octal clause can only be used on integers, was given bool")),
    ("dyn('%s').format([quantity('1')])", Err("error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given kubernetes.Quantity")),
    ("'%d'.format([1, 2])", Err("ERROR: <input>:1:12: too many arguments supplied to string.format (expected 1, got 2)\n | '%d'.format([1, 2])\n | ...........^")),
    ("'%d %d'.format([1])", Err("ERROR: <input>:1:15: index 1 out of range\n | '%d %d'.format([1])\n | ..............^")),
    ("'%'.format([1])", Err("ERROR: <input>:1:11: unexpected end of string\n | '%'.format([1])\n | ..........^")),
    ("'%'.format([])", Err("ERROR: <input>:1:11: unexpected end of string\n | '%'.format([])\n | ..........^")),
    ("'%z'.format([1])", Err("ERROR: <input>:1:12: could not parse formatting clause: unrecognized formatting clause \"z\"\n | '%z'.format([1])\n | ...........^")),
    ("'%.f'.format([1.5])", Err("ERROR: <input>:1:13: could not parse formatting clause: error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing \"\": invalid syntax\n | '%.f'.format([1.5])\n | ............^")),
    ("'%d'.format(['x'])", Err("ERROR: <input>:1:14: error during formatting: decimal clause can only be used on integers, was given string\n | '%d'.format(['x'])\n | .............^")),
    ("'%d'.format([dyn('x')])", Err("error during formatting: decimal clause can only be used on integers, was given string")),
    ("'%s'.format([quantity('1')])", Err("ERROR: <input>:1:22: error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given kubernetes.Quantity\n | '%s'.format([quantity('1')])\n | .....................^")),
    ("'%s'.format([[quantity('1')]])", Err("ERROR: <input>:1:23: error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given kubernetes.Quantity\n | '%s'.format([[quantity('1')]])\n | ......................^")),
    ("'%s'.format([{'a': [1, ip('::1')]}])", Err("ERROR: <input>:1:26: error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given net.IP\n | '%s'.format([{'a': [1, ip('::1')]}])\n | .........................^")),
    ("'%s'.format([optional.of(1)])", Err("ERROR: <input>:1:25: error during formatting: string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given optional_type\n | '%s'.format([optional.of(1)])\n | ........................^")),
    ("'%f'.format(['x'])", Err("error during formatting: fixed-point clause can only be used on doubles, was given string")),
    ("'%f'.format([1])", Err("ERROR: <input>:1:14: error during formatting: fixed-point clause can only be used on doubles, was given int\n | '%f'.format([1])\n | .............^")),
    ("'%x'.format([1.5])", Err("ERROR: <input>:1:14: error during formatting: only integers, byte buffers, and strings can be formatted as hex, was given double\n | '%x'.format([1.5])\n | .............^")),
    ("'%b'.format(['x'])", Err("ERROR: <input>:1:14: error during formatting: only integers and bools can be formatted as binary, was given string\n | '%b'.format(['x'])\n | .............^")),
    ("'%o'.format([1.5])", Err("ERROR: <input>:1:14: error during formatting: octal clause can only be used on integers, was given double\n | '%o'.format([1.5])\n | .............^")),
    ("'%e'.format([true])", Err("ERROR: <input>:1:14: error during formatting: scientific clause can only be used on doubles, was given bool\n | '%e'.format([true])\n | .............^")),
    ("1.format([1])", Err("ERROR: <input>:1:9: found no matching overload for 'format' applied to 'int.(list(int))'\n | 1.format([1])\n | ........^")),
];

#[test]
fn formatting_behaves_as_in_the_api_server() {
    check_expressions(CASES);
}

#[test]
fn results_cannot_grow_without_bound() {
    let template = "%.65535e".repeat(300);
    let list = List::Made(std::sync::Arc::new(vec![Value::Double(1.0); 300]));
    assert_eq!(
        render(&template, &list).err(),
        Some(EvalError::CostExceeded)
    );
}

#[test]
fn cost_is_that_of_the_template() {
    let args = [Value::from("é".repeat(11)), Value::list(Vec::new())];
    assert_eq!(cost(FUNCTIONS, "format", &args), 2);
}
