package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/version"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
)

// evalRequest asks for the value of one expression.
type evalRequest struct {
	Expression string `json:"expression"`
	// Values of variables. object, oldObject, params, request and namespaceObject have the types that the API server
	// declares for them, every other name is dyn.
	Variables map[string]json.RawMessage `json:"variables"`
	// The same with values in typed form.
	TypedVariables map[string]json.RawMessage `json:"typedVariables"`
	// Types of variables, as the API server writes types in its messages; what is absent here is dyn.
	Declarations map[string]string `json:"declarations"`
	// Variables of a policy: lazy, visible as variables.NAME to those after them and to the expression.
	PolicyVariables []named `json:"policyVariables"`
	// Names of a container to resolve names in.
	Container string `json:"container"`
	// The types for mutations: Object{}, JSONPatch{}, jsonpatch.escapeKey.
	Mutation bool `json:"mutation"`
	// No params variable.
	NoParams bool `json:"noParams"`
	// No authorizer variable.
	NoAuthorizer bool `json:"noAuthorizer"`
	// What every authorization check decides.
	Authorizer *decision `json:"authorizer"`
	// Compile only.
	CheckOnly bool `json:"checkOnly"`
	// The environment for new expressions instead of that for stored ones.
	NewExpressions bool `json:"newExpressions"`
}

type named struct {
	Name       string `json:"name"`
	Expression string `json:"expression"`
}

func (n named) GetName() string          { return n.Name }
func (n named) GetExpression() string    { return n.Expression }
func (n named) ReturnTypes() []*cel.Type { return []*cel.Type{cel.AnyType} }
func (d decision) decide() (a authorizer.Decision) {
	switch d.Decision {
	case "allow":
		return authorizer.DecisionAllow
	case "deny":
		return authorizer.DecisionDeny
	}
	return authorizer.DecisionNoOpinion
}

// decision is the answer of an authorizer that answers everything alike.
type decision struct {
	Decision string `json:"decision"`
	Reason   string `json:"reason"`
	Error    string `json:"error"`
}

func (d decision) Authorize(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
	var err error
	if d.Error != "" {
		err = fmt.Errorf("%s", d.Error)
	}
	return d.decide(), d.Reason, err
}

// standard names the variables that the API server declares itself.
var standard = map[string]bool{
	plugincel.ObjectVarName:    true,
	plugincel.OldObjectVarName: true,
	plugincel.ParamsVarName:    true,
	plugincel.RequestVarName:   true,
	plugincel.NamespaceVarName: true,
}

// compilers by what else they declare, policy variables included; building one takes some milliseconds.
var compilers = map[string]*plugincel.CompositedCompiler{}

// names are the variables of a request that the API server does not declare itself, in order.
func (req *evalRequest) names() []string {
	known := map[string]bool{}
	for _, variables := range []map[string]json.RawMessage{req.Variables, req.TypedVariables} {
		for name := range variables {
			known[name] = !standard[name]
		}
	}
	for name := range req.Declarations {
		known[name] = true
	}
	var names []string
	for name, own := range known {
		if own {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names
}

func (req *evalRequest) mode() environment.Type {
	if req.NewExpressions {
		return environment.NewExpressions
	}
	return environment.StoredExpressions
}

func (req *evalRequest) declarations() plugincel.OptionalVariableDeclarations {
	return plugincel.OptionalVariableDeclarations{
		HasParams:     !req.NoParams,
		HasAuthorizer: !req.NoAuthorizer,
		HasPatchTypes: req.Mutation,
	}
}

func compilerFor(req *evalRequest) (*plugincel.CompositedCompiler, error) {
	names := req.names()
	parts, err := json.Marshal([]any{
		req.Container, names, req.Declarations, req.PolicyVariables, req.declarations(), req.mode(),
	})
	if err != nil {
		return nil, err
	}
	key := string(parts)
	if compiler, ok := compilers[key]; ok {
		return compiler, nil
	}
	compiler, err := newCompiler(req, names)
	if err != nil {
		return nil, err
	}
	for _, variable := range req.PolicyVariables {
		compiler.CompileAndStoreVariable(variable, req.declarations(), req.mode())
	}
	if len(compilers) >= maxCompilers {
		compilers = map[string]*plugincel.CompositedCompiler{}
	}
	compilers[key] = compiler
	return compiler, nil
}

// maxCompilers bounds the memory of a long run: each takes about a megabyte.
const maxCompilers = 200

func newCompiler(req *evalRequest, names []string) (*plugincel.CompositedCompiler, error) {
	var options []cel.EnvOption
	for _, name := range names {
		declared := cel.DynType
		if text, ok := req.Declarations[name]; ok {
			parsed, err := parseType(text)
			if err != nil {
				return nil, err
			}
			declared = parsed
		}
		options = append(options, cel.Variable(name, declared))
	}
	if req.Container != "" {
		options = append(options, cel.Container(req.Container))
	}
	base := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	if len(options) > 0 {
		extended, err := base.Extend(environment.VersionedOptions{
			IntroducedVersion: version.MajorMinor(1, 0),
			EnvOptions:        options,
		})
		if err != nil {
			return nil, err
		}
		base = extended
	}
	return plugincel.NewCompositedCompiler(base)
}

// activation resolves the given variables; those that the API server always binds are null when not given.
type activation struct {
	values    map[string]any
	variables ref.Val
}

func (a *activation) ResolveName(name string) (any, bool) {
	if name == plugincel.VariableVarName && a.variables != nil {
		return a.variables, true
	}
	value, ok := a.values[name]
	return value, ok || standard[name]
}

func (a *activation) Parent() interpreter.Activation { return nil }

func bind(req *evalRequest) (*activation, error) {
	values := map[string]any{}
	for name, text := range req.Variables {
		var value any
		if err := utiljson.Unmarshal(text, &value); err != nil {
			return nil, fmt.Errorf("variable %s: %w", name, err)
		}
		values[name] = value
	}
	for name, text := range req.TypedVariables {
		value, err := fromTyped(text)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", name, err)
		}
		values[name] = value
	}
	if req.Authorizer != nil {
		values[plugincel.AuthorizerVarName] = library.NewAuthorizerVal(&user.DefaultInfo{Name: "user"}, req.Authorizer)
	}
	return &activation{values: values}, nil
}

func evaluate(line []byte) answer {
	var req evalRequest
	if err := json.Unmarshal(line, &req); err != nil {
		return failed(err)
	}
	compiler, err := compilerFor(&req)
	if err != nil {
		return failed(err)
	}
	compiled := compiler.CompileCELExpression(named{Expression: req.Expression}, req.declarations(), req.mode())
	if compiled.Error != nil {
		return answer{"compileError": strings.TrimPrefix(compiled.Error.Detail, "compilation failed: ")}
	}
	result := answer{"type": compiled.OutputType.String()}
	if req.CheckOnly {
		return result
	}
	vars, err := bind(&req)
	if err != nil {
		return failed(err)
	}
	ctx := compiler.CreateContext(context.Background())
	vars.variables = ctx.Variables(vars)
	value, details, err := compiled.Program.ContextEval(ctx, vars)
	if details != nil && details.ActualCost() != nil {
		result["cost"] = *details.ActualCost()
	}
	if cost := ctx.GetAndResetCost(); cost > 0 {
		result["variablesCost"] = cost
	}
	if err != nil {
		result["error"] = err.Error()
		return result
	}
	result["value"] = toJSON(value)
	result["typed"] = toTyped(value)
	return result
}
