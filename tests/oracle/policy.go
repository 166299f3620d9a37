package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	v1 "k8s.io/api/admissionregistration/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// policyRequest asks what one policy makes of one request. Whether the policy and a binding match the request is not
// part of it.
type policyRequest struct {
	Policy json.RawMessage `json:"policy"`
	// What a paramRef found.
	Params          object            `json:"params"`
	Object          object            `json:"object"`
	OldObject       object            `json:"oldObject"`
	NamespaceObject *corev1.Namespace `json:"namespaceObject"`
	Request         attributes        `json:"request"`
	Authorizer      *decision         `json:"authorizer"`
	// Budget for each set of expressions; the API server's own when absent.
	Budget *int64 `json:"budget"`
	// Evaluate so often and tell the time that each took, compiling not counted.
	Repeat int `json:"repeat"`
	// Read the object from its text each time that is counted.
	Decode bool `json:"decode"`
	// Schemas of the mutated kinds by name, as in an OpenAPI document; deduced from the objects when absent.
	Schemas map[string]*spec.Schema `json:"schemas"`
}

// attributes is the request as in an AdmissionReview.
type attributes struct {
	Kind        schema.GroupVersionKind     `json:"kind"`
	Resource    metav1.GroupVersionResource `json:"resource"`
	SubResource string                      `json:"subResource"`
	Name        string                      `json:"name"`
	Namespace   string                      `json:"namespace"`
	Operation   admission.Operation         `json:"operation"`
	DryRun      bool                        `json:"dryRun"`
	Options     object                      `json:"options"`
	UserInfo    authenticationv1.UserInfo   `json:"userInfo"`
}

// object is an unstructured object, or none.
type object struct {
	*unstructured.Unstructured
	text []byte
}

func (o *object) UnmarshalJSON(data []byte) error {
	o.text = bytes.Clone(data)
	return o.decode()
}

func (o *object) decode() error {
	var content map[string]any
	if err := utiljson.Unmarshal(o.text, &content); err != nil || content == nil {
		return err
	}
	o.Unstructured = &unstructured.Unstructured{Object: content}
	return nil
}

// runtime is the object, or an interface that is nil.
func (o object) runtime() runtime.Object {
	if o.Unstructured == nil {
		return nil
	}
	return o.Unstructured
}

func (r *policyRequest) attributes() *admission.VersionedAttributes {
	request := r.Request
	extra := map[string][]string{}
	for key, values := range request.UserInfo.Extra {
		extra[key] = values
	}
	info := &user.DefaultInfo{
		Name:   request.UserInfo.Username,
		UID:    request.UserInfo.UID,
		Groups: request.UserInfo.Groups,
		Extra:  extra,
	}
	record := admission.NewAttributesRecord(r.Object.runtime(), r.OldObject.runtime(), request.Kind, request.Namespace,
		request.Name, schema.GroupVersionResource(request.Resource), request.SubResource, request.Operation,
		request.Options.runtime(), request.DryRun, info)
	return &admission.VersionedAttributes{
		Attributes:         record,
		VersionedObject:    r.Object.runtime(),
		VersionedOldObject: r.OldObject.runtime(),
		VersionedKind:      request.Kind,
	}
}

func (r *policyRequest) authorizer() authorizer.Authorizer {
	if r.Authorizer != nil {
		return r.Authorizer
	}
	return decision{}
}

func (r *policyRequest) budget() int64 {
	if r.Budget != nil {
		return *r.Budget
	}
	return celconfig.RuntimeCELCostBudget
}

// timed calls do once, and if wanted so often that its time can be told.
func (r *policyRequest) timed(out answer, do func()) {
	do()
	if r.Repeat > 0 {
		start := time.Now()
		for range r.Repeat {
			if r.Decode {
				if err := r.Object.decode(); err != nil {
					panic(err)
				}
			}
			do()
		}
		out["nanos"] = time.Since(start).Nanoseconds() / int64(r.Repeat)
	}
}

// compilation is what both kinds of policy compile alike.
type compilation struct {
	compiler     *plugincel.CompositedCompiler
	declarations plugincel.OptionalVariableDeclarations
	matcher      matchconditions.Matcher
}

func newCompilation(name string, params bool, variables []v1.Variable, conditions []v1.MatchCondition, failure *v1.FailurePolicyType) (compilation, error) {
	base := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	compiler, err := plugincel.NewCompositedCompiler(base)
	c := compilation{
		compiler:     compiler,
		declarations: plugincel.OptionalVariableDeclarations{HasParams: params, HasAuthorizer: true},
	}
	if err != nil {
		return c, err
	}
	for _, variable := range variables {
		accessor := &validating.Variable{Name: variable.Name, Expression: variable.Expression}
		compiler.CompileAndStoreVariable(accessor, c.declarations, environment.StoredExpressions)
	}
	if len(conditions) > 0 {
		var accessors []plugincel.ExpressionAccessor
		for i := range conditions {
			accessors = append(accessors, (*matchconditions.MatchCondition)(&conditions[i]))
		}
		c.matcher = matchconditions.NewMatcher(c.conditions(accessors, true), failure, "policy", "validate", name)
	}
	return c, nil
}

func (c compilation) conditions(accessors []plugincel.ExpressionAccessor, authorizer bool) plugincel.ConditionEvaluator {
	declarations := c.declarations
	declarations.HasAuthorizer = authorizer
	return c.compiler.CompileCondition(accessors, declarations, environment.StoredExpressions)
}

// compiledPolicies are what was compiled last, by the text of the policy: tests ask about one policy many times.
var (
	validators = map[string]validating.Validator{}
	mutators   = map[string]mutator{}
)

// mutator is a compiled mutating policy.
type mutator struct {
	compilation
	patchers []patch.Patcher
}

// remember returns what is known by the key, or makes it.
func remember[T any](known map[string]T, key string, make func() (T, error)) (T, error) {
	if value, ok := known[key]; ok {
		return value, nil
	}
	value, err := make()
	if err == nil {
		if len(known) >= maxCompilers {
			clear(known)
		}
		known[key] = value
	}
	return value, err
}

func newValidator(text []byte) (validating.Validator, error) {
	var policy v1.ValidatingAdmissionPolicy
	if err := json.Unmarshal(text, &policy); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	spec := policy.Spec
	c, err := newCompilation(policy.Name, spec.ParamKind != nil, spec.Variables, spec.MatchConditions, spec.FailurePolicy)
	if err != nil {
		return nil, err
	}
	var validations, messages, annotations []plugincel.ExpressionAccessor
	for _, v := range spec.Validations {
		validations = append(validations, &validating.ValidationCondition{Expression: v.Expression, Message: v.Message, Reason: v.Reason})
		var message plugincel.ExpressionAccessor
		if v.MessageExpression != "" {
			message = &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression}
		}
		messages = append(messages, message)
	}
	for _, a := range spec.AuditAnnotations {
		annotations = append(annotations, &validating.AuditAnnotationCondition{Key: a.Key, ValueExpression: a.ValueExpression})
	}
	return validating.NewValidator(c.conditions(validations, true), c.matcher, c.conditions(annotations, true),
		c.conditions(messages, false), spec.FailurePolicy, nil), nil
}

// validate answers with the decisions of a ValidatingAdmissionPolicy.
func validate(line []byte) answer {
	var req policyRequest
	if err := json.Unmarshal(line, &req); err != nil {
		return failed(err)
	}
	validator, err := remember(validators, string(req.Policy), func() (validating.Validator, error) {
		return newValidator(req.Policy)
	})
	if err != nil {
		return failed(err)
	}

	out := answer{}
	resource := schema.GroupVersionResource(req.Request.Resource)
	var result validating.ValidateResult
	req.timed(out, func() {
		result = validator.Validate(context.Background(), resource, req.attributes(), req.Params.runtime(),
			req.NamespaceObject, req.budget(), req.authorizer())
	})
	decisions := []answer{}
	for _, d := range result.Decisions {
		decisions = append(decisions, answer{
			"action": d.Action, "evaluation": d.Evaluation, "message": d.Message, "reason": d.Reason,
		})
	}
	audit := []answer{}
	for _, a := range result.AuditAnnotations {
		audit = append(audit, answer{"key": a.Key, "value": a.Value, "action": a.Action, "error": a.Error})
	}
	out["decisions"] = decisions
	out["auditAnnotations"] = audit
	return out
}

func newMutator(text []byte) (mutator, error) {
	var policy v1.MutatingAdmissionPolicy
	if err := json.Unmarshal(text, &policy); err != nil {
		return mutator{}, fmt.Errorf("policy: %w", err)
	}
	spec := policy.Spec
	c, err := newCompilation(policy.Name, spec.ParamKind != nil, spec.Variables, spec.MatchConditions, spec.FailurePolicy)
	if err != nil {
		return mutator{}, err
	}
	declarations := c.declarations
	declarations.HasPatchTypes = true
	var patchers []patch.Patcher
	for i, m := range spec.Mutations {
		switch {
		case m.JSONPatch != nil:
			accessor := &patch.JSONPatchCondition{Expression: m.JSONPatch.Expression}
			evaluator := c.compiler.CompileMutatingEvaluator(accessor, declarations, environment.StoredExpressions)
			patchers = append(patchers, patch.NewJSONPatcher(evaluator))
		case m.ApplyConfiguration != nil:
			accessor := &patch.ApplyConfigurationCondition{Expression: m.ApplyConfiguration.Expression}
			evaluator := c.compiler.CompileMutatingEvaluator(accessor, declarations, environment.StoredExpressions)
			patchers = append(patchers, patch.NewApplyConfigurationPatcher(evaluator))
		default:
			return mutator{}, fmt.Errorf("mutation %d has no expression", i)
		}
	}
	return mutator{c, patchers}, nil
}

// mutate answers with the object that a MutatingAdmissionPolicy makes, and what went wrong with each mutation.
func mutate(line []byte) answer {
	var req policyRequest
	if err := json.Unmarshal(line, &req); err != nil {
		return failed(err)
	}
	m, err := remember(mutators, string(req.Policy), func() (mutator, error) { return newMutator(req.Policy) })
	if err != nil {
		return failed(err)
	}
	converter, err := req.converter()
	if err != nil {
		return failed(err)
	}
	var out answer
	timing := answer{}
	req.timed(timing, func() { out = req.mutated(m.compilation, m.patchers, converter) })
	if nanos, ok := timing["nanos"]; ok {
		out["nanos"] = nanos
	}
	return out
}

func (r *policyRequest) converter() (managedfields.TypeConverter, error) {
	if r.Schemas == nil {
		return managedfields.NewDeducedTypeConverter(), nil
	}
	return managedfields.NewTypeConverter(r.Schemas, false)
}

// mutated applies the patchers in order; one that fails is reported and passed over, as the API server does.
func (r *policyRequest) mutated(c compilation, patchers []patch.Patcher, converter managedfields.TypeConverter) answer {
	ctx := c.compiler.CreateContext(context.Background())
	attrs := r.attributes()
	params := r.Params.runtime()
	if c.matcher != nil {
		match := c.matcher.Match(ctx, attrs, params, r.authorizer())
		if match.Error != nil {
			return answer{"matchError": match.Error.Error()}
		}
		if !match.Matches {
			return answer{"matches": false}
		}
	}
	errors := []any{}
	for _, patcher := range patchers {
		patched, err := patcher.Patch(ctx, patch.Request{
			MatchedResource:     schema.GroupVersionResource(r.Request.Resource),
			VersionedAttributes: attrs,
			ObjectInterfaces:    admission.NewObjectInterfacesFromScheme(runtime.NewScheme()),
			OptionalVariables:   plugincel.OptionalVariableBindings{VersionedParams: params, Authorizer: r.authorizer()},
			Namespace:           r.NamespaceObject,
			TypeConverter:       converter,
		}, r.budget())
		if err != nil {
			errors = append(errors, err.Error())
			continue
		}
		errors = append(errors, nil)
		attrs.VersionedObject = patched
	}
	return answer{"object": attrs.VersionedObject, "errors": errors}
}
