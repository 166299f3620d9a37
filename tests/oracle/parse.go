package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"

	"k8s.io/apiserver/pkg/cel/environment"
)

// parseRequest asks for the tree of one expression, macros expanded.
type parseRequest struct {
	Expression string `json:"expression"`
}

type issue struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

func parse(line []byte) answer {
	var req parseRequest
	if err := json.Unmarshal(line, &req); err != nil {
		return failed(err)
	}
	env := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).StoredExpressionsEnv()
	parsed, issues := env.Parse(req.Expression)
	if issues.Err() != nil {
		text := issues.String()
		list := []issue{}
		for _, e := range issues.Errors() {
			list = append(list, issue{e.Location.Line(), e.Location.Column() + 1, e.Message})
		}
		return answer{"errors": list, "text": text}
	}
	p := printer{info: parsed.NativeRep().SourceInfo()}
	p.expr(parsed.NativeRep().Expr())
	return answer{"tree": p.out.String()}
}

// printer writes the form that sandfence's Ast::debug writes.
type printer struct {
	out  strings.Builder
	info *ast.SourceInfo
}

func (p *printer) text(format string, args ...any) {
	fmt.Fprintf(&p.out, format, args...)
}

func (p *printer) at(id int64) {
	span, _ := p.info.GetOffsetRange(id)
	p.text("@%d", span.Start)
}

func (p *printer) exprs(list []ast.Expr) {
	for _, e := range list {
		p.text(" ")
		p.expr(e)
	}
}

func (p *printer) expr(e ast.Expr) {
	switch e.Kind() {
	case ast.LiteralKind:
		p.literal(e)
	case ast.IdentKind:
		p.text("%s", e.AsIdent())
	case ast.SelectKind:
		s := e.AsSelect()
		head := "."
		if s.IsTestOnly() {
			head = "has"
		}
		p.text("(%s ", head)
		p.expr(s.Operand())
		p.text(" %s)", s.FieldName())
	case ast.CallKind:
		c := e.AsCall()
		if c.IsMemberFunction() {
			p.text("(member %s ", c.FunctionName())
			p.expr(c.Target())
		} else {
			p.text("(call %s", c.FunctionName())
		}
		p.exprs(c.Args())
		p.text(")")
	case ast.ListKind:
		p.list(e.AsList())
	case ast.MapKind:
		p.entries("{", e.AsMap().Entries(), "}")
	case ast.StructKind:
		p.text("(new %s", e.AsStruct().TypeName())
		open := ""
		if len(e.AsStruct().Fields()) > 0 {
			open = " "
		}
		p.entries(open, e.AsStruct().Fields(), ")")
	case ast.ComprehensionKind:
		p.fold(e.AsComprehension())
	default:
		p.text("(unspecified)")
	}
	p.at(e.ID())
}

func (p *printer) literal(e ast.Expr) {
	switch v := e.AsLiteral().(type) {
	case types.Double:
		p.text("d%016x", math.Float64bits(float64(v)))
	case types.String:
		p.quoted(string(v))
	case types.Bytes:
		p.text(`b"%s"`, hex.EncodeToString(v))
	case types.Uint:
		p.text("%du", uint64(v))
	case types.Null:
		p.text("null")
	default:
		p.text("%v", v.Value())
	}
}

func (p *printer) quoted(s string) {
	p.text(`"`)
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			p.text(`\%c`, r)
		case r >= ' ' && r <= '~':
			p.text("%c", r)
		default:
			p.text(`\u{%x}`, r)
		}
	}
	p.text(`"`)
}

func (p *printer) list(l ast.ListExpr) {
	p.text("[")
	for n, e := range l.Elements() {
		if n > 0 {
			p.text(" ")
		}
		if l.IsOptional(int32(n)) {
			p.text("?")
		}
		p.expr(e)
	}
	p.text("]")
}

func (p *printer) entries(open string, list []ast.EntryExpr, end string) {
	p.text("%s", open)
	for n, e := range list {
		if n > 0 {
			p.text(" ")
		}
		switch e.Kind() {
		case ast.MapEntryKind:
			entry := e.AsMapEntry()
			if entry.IsOptional() {
				p.text("?")
			}
			p.expr(entry.Key())
			p.text(":")
			p.expr(entry.Value())
		case ast.StructFieldKind:
			field := e.AsStructField()
			if field.IsOptional() {
				p.text("?")
			}
			p.text("%s", field.Name())
			p.at(e.ID())
			p.text(":")
			p.expr(field.Value())
		}
	}
	p.text("%s", end)
}

func (p *printer) fold(c ast.ComprehensionExpr) {
	p.text("(fold ")
	p.expr(c.IterRange())
	second := "-"
	if c.HasIterVar2() {
		second = c.IterVar2()
	}
	p.text(" %s %s %s", c.IterVar(), second, c.AccuVar())
	p.exprs([]ast.Expr{c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()})
	p.text(")")
}
