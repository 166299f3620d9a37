package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"sort"
	"strconv"
	"time"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"k8s.io/apimachinery/pkg/api/resource"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/mutation"
	"k8s.io/apiserver/pkg/cel/mutation/dynamic"
)

// typed is a value with its type, so that 1, 1u and 1.0 differ.
type typed struct {
	Type  string `json:"type"`
	Value any    `json:"value"`
}

func toTyped(value ref.Val) typed {
	name := value.Type().TypeName()
	switch v := value.(type) {
	case types.Null:
		return typed{name, nil}
	case types.Bool:
		return typed{name, bool(v)}
	case types.Int:
		return typed{name, strconv.FormatInt(int64(v), 10)}
	case types.Uint:
		return typed{name, strconv.FormatUint(uint64(v), 10)}
	case types.Double:
		return typed{name, double(float64(v))}
	case types.String:
		return typed{name, string(v)}
	case types.Bytes:
		return typed{name, base64.StdEncoding.EncodeToString(v)}
	case types.Duration:
		return typed{name, duration(v.Duration)}
	case types.Timestamp:
		return typed{name, v.Time.UTC().Format(time.RFC3339Nano)}
	case *types.Optional:
		if v.HasValue() {
			return typed{"optional_type", toTyped(v.GetValue())}
		}
		return typed{"optional_type", nil}
	case ref.Type:
		return typed{"type", v.TypeName()}
	case *dynamic.ObjectVal:
		return typed{name, fields(v)}
	case *mutation.JSONPatchVal:
		return typed{name, patchFields(v)}
	}
	if list, ok := value.(traits.Lister); ok {
		items := []any{}
		for it := list.Iterator(); it.HasNext() == types.True; {
			items = append(items, toTyped(it.Next()))
		}
		return typed{"list", items}
	}
	if m, ok := value.(traits.Mapper); ok {
		return typed{"map", pairs(m)}
	}
	return typed{name, text(value)}
}

// pairs are the entries of a map in typed form, in the order of their keys as text.
func pairs(m traits.Mapper) []any {
	type pair struct {
		order string
		both  []any
	}
	var list []pair
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		k := toTyped(key)
		list = append(list, pair{fmt.Sprintf("%s %v", k.Type, k.Value), []any{k, toTyped(m.Get(key))}})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].order < list[j].order })
	out := []any{}
	for _, p := range list {
		out = append(out, p.both)
	}
	return out
}

// fields are the set fields of a constructed object, as native JSON.
func fields(v *dynamic.ObjectVal) any {
	native, err := v.ConvertToNative(reflect.TypeOf(map[string]any{}))
	if err != nil {
		return "error: " + err.Error()
	}
	return printable(native)
}

// printable is a native value with texts for what JSON has no form for.
func printable(native any) any {
	switch v := native.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			out[key] = printable(value)
		}
		return out
	case []any:
		if v == nil {
			return nil
		}
		out := []any{}
		for _, value := range v {
			out = append(out, printable(value))
		}
		return out
	case *url.URL:
		return v.String()
	case float64:
		return double(v)
	case []ref.Val:
		out := []any{}
		for _, value := range v {
			out = append(out, printable(value.Value()))
		}
		return out
	case map[ref.Val]ref.Val:
		out := map[string]any{}
		for key, value := range v {
			out[fmt.Sprint(key.Value())] = printable(value.Value())
		}
		return out
	case ref.Val:
		return toTyped(v).Value
	}
	if _, err := json.Marshal(native); err != nil {
		return fmt.Sprintf("%T", native)
	}
	return native
}

func patchFields(v *mutation.JSONPatchVal) any {
	out := map[string]any{"op": v.Op, "path": v.Path}
	if v.From != "" {
		out["from"] = v.From
	}
	if v.Val != nil {
		out["value"] = toTyped(v.Val)
	}
	return out
}

// text is the string form of a value of a library type.
func text(value ref.Val) string {
	switch v := value.(type) {
	case apiservercel.Quantity:
		return v.Quantity.String()
	case apiservercel.URL:
		return v.URL.String()
	case apiservercel.IP:
		return v.Addr.String()
	case apiservercel.CIDR:
		return v.Prefix.String()
	case apiservercel.Semver:
		return v.Version.String()
	case apiservercel.Format:
		return v.Name
	case *apiservercel.Format:
		return v.Name
	}
	switch v := value.Value().(type) {
	case *resource.Quantity:
		return v.String()
	case fmt.Stringer:
		return v.String()
	case nil:
		return value.Type().TypeName()
	}
	return fmt.Sprintf("%v", value.Value())
}

func double(v float64) any {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	return v
}

// duration is the number of seconds, with as many decimals as are needed.
func duration(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

// toJSON is the value as a person would write it, without its type.
func toJSON(value ref.Val) any {
	switch v := value.(type) {
	case types.Int:
		return int64(v)
	case types.Uint:
		return uint64(v)
	case *types.Optional:
		if v.HasValue() {
			return toJSON(v.GetValue())
		}
		return nil
	case ref.Type:
		return v.TypeName()
	case *dynamic.ObjectVal, *mutation.JSONPatchVal:
		return toTyped(value).Value
	}
	if list, ok := value.(traits.Lister); ok {
		items := []any{}
		for it := list.Iterator(); it.HasNext() == types.True; {
			items = append(items, toJSON(it.Next()))
		}
		return items
	}
	if m, ok := value.(traits.Mapper); ok {
		out := map[string]any{}
		for it := m.Iterator(); it.HasNext() == types.True; {
			key := it.Next()
			out[fmt.Sprint(key.Value())] = toJSON(m.Get(key))
		}
		return out
	}
	return toTyped(value).Value
}

// fromTyped reads the typed form.
func fromTyped(data json.RawMessage) (ref.Val, error) {
	var in struct {
		Type  string          `json:"type"`
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	switch in.Type {
	case "null_type":
		return types.NullValue, nil
	case "bool":
		return scalar(in.Value, func(v bool) (ref.Val, error) { return types.Bool(v), nil })
	case "double":
		return fromDouble(in.Value)
	case "list":
		return scalar(in.Value, fromList)
	case "map":
		return scalar(in.Value, fromMap)
	case "optional_type":
		if string(in.Value) == "null" {
			return types.OptionalNone, nil
		}
		value, err := fromTyped(in.Value)
		if err != nil {
			return nil, err
		}
		return types.OptionalOf(value), nil
	}
	return scalar(in.Value, func(text string) (ref.Val, error) { return fromText(in.Type, text) })
}

func scalar[T any](data json.RawMessage, make func(T) (ref.Val, error)) (ref.Val, error) {
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	return make(v)
}

func fromText(kind, text string) (ref.Val, error) {
	switch kind {
	case "string":
		return types.String(text), nil
	case "int":
		v, err := strconv.ParseInt(text, 10, 64)
		return types.Int(v), err
	case "uint":
		v, err := strconv.ParseUint(text, 10, 64)
		return types.Uint(v), err
	case "bytes":
		v, err := base64.StdEncoding.DecodeString(text)
		return types.Bytes(v), err
	case "google.protobuf.Duration":
		v, err := time.ParseDuration(text)
		return types.Duration{Duration: v}, err
	case "google.protobuf.Timestamp":
		v, err := time.Parse(time.RFC3339Nano, text)
		return types.Timestamp{Time: v}, err
	}
	return nil, fmt.Errorf("no typed form of %q", kind)
}

func fromDouble(data json.RawMessage) (ref.Val, error) {
	switch string(data) {
	case `"NaN"`:
		return types.Double(math.NaN()), nil
	case `"Infinity"`:
		return types.Double(math.Inf(1)), nil
	case `"-Infinity"`:
		return types.Double(math.Inf(-1)), nil
	}
	return scalar(data, func(v float64) (ref.Val, error) { return types.Double(v), nil })
}

func fromList(items []json.RawMessage) (ref.Val, error) {
	list := []ref.Val{}
	for _, item := range items {
		value, err := fromTyped(item)
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	return types.DefaultTypeAdapter.NativeToValue(list), nil
}

func fromMap(items [][]json.RawMessage) (ref.Val, error) {
	out := map[ref.Val]ref.Val{}
	for _, item := range items {
		if len(item) != 2 {
			return nil, fmt.Errorf("an entry is [key, value], found %d items", len(item))
		}
		key, err := fromTyped(item[0])
		if err != nil {
			return nil, err
		}
		value, err := fromTyped(item[1])
		if err != nil {
			return nil, err
		}
		out[key] = value
	}
	return types.DefaultTypeAdapter.NativeToValue(out), nil
}
