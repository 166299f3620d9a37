package main

import (
	"fmt"
	"strings"

	"github.com/google/cel-go/cel"
)

// plainTypes are the types without parameters that a declaration can name; any other name is that of an object type.
var plainTypes = map[string]*cel.Type{
	"dyn":                       cel.DynType,
	"null_type":                 cel.NullType,
	"bool":                      cel.BoolType,
	"int":                       cel.IntType,
	"uint":                      cel.UintType,
	"double":                    cel.DoubleType,
	"string":                    cel.StringType,
	"bytes":                     cel.BytesType,
	"google.protobuf.Duration":  cel.DurationType,
	"google.protobuf.Timestamp": cel.TimestampType,
}

// parseType reads what Type.String writes: map(string, list(int)).
func parseType(text string) (*cel.Type, error) {
	text = strings.TrimSpace(text)
	if known, ok := plainTypes[text]; ok {
		return known, nil
	}
	name, rest, parametrised := strings.Cut(text, "(")
	if !parametrised {
		return cel.ObjectType(text), nil
	}
	var parameters []*cel.Type
	for _, part := range split(strings.TrimSuffix(rest, ")")) {
		parameter, err := parseType(part)
		if err != nil {
			return nil, err
		}
		parameters = append(parameters, parameter)
	}
	switch {
	case name == "list" && len(parameters) == 1:
		return cel.ListType(parameters[0]), nil
	case name == "map" && len(parameters) == 2:
		return cel.MapType(parameters[0], parameters[1]), nil
	case name == "optional_type" && len(parameters) == 1:
		return cel.OptionalType(parameters[0]), nil
	case name == "type" && len(parameters) == 1:
		return cel.TypeType, nil
	case name == "wrapper" && len(parameters) == 1:
		return cel.NullableType(parameters[0]), nil
	}
	return nil, fmt.Errorf("no type %q", text)
}

// split separates parameters at the commas outside of parentheses.
func split(text string) []string {
	var parts []string
	depth, start := 0, 0
	for at, char := range text {
		switch char {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				parts = append(parts, text[start:at])
				start = at + 1
			}
		}
	}
	return append(parts, text[start:])
}
