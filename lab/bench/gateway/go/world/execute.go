package world

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"botberi/bench/graphql"
)

type run struct {
	subgraph  *Subgraph
	document  *graphql.Document
	variables map[string]any
	errors    []map[string]any
	path      []any
	out       bytes.Buffer
}

type field struct {
	key, name  string
	arguments  map[string]any
	selections []*graphql.Selection
}

var rootTypes = map[string]string{"query": "Query", "mutation": "Mutation", "subscription": "Subscription"}

// Answer is the JSON of {data, errors} of a query or mutation.
func (s *Subgraph) Answer(document *graphql.Document, operation *graphql.Operation, variables map[string]any) []byte {
	kind := rootTypes[operation.Kind]
	return s.answer(document, operation, variables, &Object{Type: kind, layers: []map[string]any{s.Roots[kind]}})
}

// Stream is an operation's subscription: an answer for each event, spaced by the returned time.
func (s *Subgraph) Stream(document *graphql.Document, operation *graphql.Operation, variables map[string]any) (func(int) []byte, time.Duration, error) {
	r := s.start(document, operation, variables)
	fields := r.collect(operation.Selections, "Subscription")
	if len(fields) != 1 {
		return nil, 0, fmt.Errorf("a subscription has one root field")
	}
	rule, _ := s.Roots["Subscription"][fields[0].name].(map[string]any)
	kind, ok := rule["$stream"].(string)
	if !ok {
		return nil, 0, fmt.Errorf("no field Subscription.%s", fields[0].name)
	}
	every, _ := r.literals(fields[0].arguments)["everyMs"].(float64)
	if every <= 0 {
		return nil, 0, fmt.Errorf("everyMs must be above 0")
	}
	rows := s.Tables[kind].Rows
	name := fields[0].name
	return func(event int) []byte {
		now := map[string]any{"event": float64(event), "at": strconv.FormatInt(time.Now().UnixMicro(), 10)}
		found := s.object(kind, rows[event%len(rows)])
		found.layers = append([]map[string]any{now}, found.layers...)
		root := &Object{Type: "Subscription", layers: []map[string]any{{name: found}}}
		return s.answer(document, operation, variables, root)
	}, time.Duration(every * float64(time.Millisecond)), nil
}

func (s *Subgraph) start(document *graphql.Document, operation *graphql.Operation, variables map[string]any) *run {
	r := &run{subgraph: s, document: document, variables: map[string]any{}}
	for name, value := range operation.Defaults {
		r.variables[name] = r.literal(value)
	}
	for name, value := range variables {
		r.variables[name] = value
	}
	return r
}

func (s *Subgraph) answer(document *graphql.Document, operation *graphql.Operation, variables map[string]any, root *Object) []byte {
	r := s.start(document, operation, variables)
	r.out.WriteString(`{"data":`)
	r.object(operation.Selections, root)
	if len(r.errors) > 0 {
		errors, _ := json.Marshal(r.errors)
		r.out.WriteString(`,"errors":`)
		r.out.Write(errors)
	}
	r.out.WriteByte('}')
	return r.out.Bytes()
}

func (r *run) object(selections []*graphql.Selection, of *Object) {
	r.out.WriteByte('{')
	for i, one := range r.collect(selections, of.Type) {
		if i > 0 {
			r.out.WriteByte(',')
		}
		r.scalar(one.key)
		r.out.WriteByte(':')
		r.path = append(r.path, one.key)
		r.value(r.fieldValue(one, of), one.selections)
		r.path = r.path[:len(r.path)-1]
	}
	r.out.WriteByte('}')
}

func (r *run) fieldValue(one *field, of *Object) any {
	switch one.name {
	case "__typename":
		return of.Type
	case "_service":
		if of.Type == "Query" {
			return &Object{Type: "_Service", layers: []map[string]any{{"sdl": r.subgraph.SDL}}}
		}
	case "_entities":
		if of.Type == "Query" {
			return r.entities(r.literals(one.arguments)["representations"])
		}
	}
	value, ok := of.field(one.name)
	if !ok {
		return failure{fmt.Sprintf("Cannot query field %q on type %q.", one.name, of.Type)}
	}
	return r.resolve(value, of, r.literals(one.arguments))
}

func (r *run) entities(representations any) any {
	asked, ok := representations.([]any)
	if !ok {
		return failure{"_entities needs representations."}
	}
	found := make([]any, len(asked))
	for i, one := range asked {
		if representation, ok := one.(map[string]any); ok {
			if entity := r.subgraph.entity(representation); entity != nil {
				found[i] = entity
			}
		}
	}
	return found
}

func (r *run) value(value any, selections []*graphql.Selection) {
	switch made := value.(type) {
	case failure:
		path := append([]any(nil), r.path...)
		r.errors = append(r.errors, map[string]any{"message": made.message, "path": path})
		r.out.WriteString("null")
	case *Object:
		r.object(selections, made)
	case []any:
		r.out.WriteByte('[')
		for i, item := range made {
			if i > 0 {
				r.out.WriteByte(',')
			}
			r.path = append(r.path, i)
			r.value(r.resolve(item, nil, nil), selections)
			r.path = r.path[:len(r.path)-1]
		}
		r.out.WriteByte(']')
	default:
		r.scalar(made)
	}
}

func (r *run) scalar(value any) {
	switch made := value.(type) {
	case nil:
		r.out.WriteString("null")
	case float64:
		r.out.Write(strconv.AppendFloat(r.out.AvailableBuffer(), made, 'f', -1, 64))
	default:
		// As most servers write JSON: < > & as they are.
		encoder := json.NewEncoder(&r.out)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(made)
		r.out.Truncate(r.out.Len() - 1)
	}
}

// collect merges the selected fields of one type by response key, in the order of the text.
func (r *run) collect(selections []*graphql.Selection, kind string) []*field {
	var found []*field
	r.gather(selections, kind, &found, map[string]*field{})
	return found
}

func (r *run) gather(selections []*graphql.Selection, kind string, found *[]*field, byKey map[string]*field) {
	for _, one := range selections {
		if !r.wanted(one.Conditions) {
			continue
		}
		switch {
		case one.Name != "":
			known := byKey[one.Key]
			if known == nil {
				known = &field{key: one.Key, name: one.Name, arguments: one.Arguments}
				byKey[one.Key] = known
				*found = append(*found, known)
			}
			known.selections = append(known.selections, one.Selections...)
		case one.Spread != "":
			if fragment := r.document.Fragments[one.Spread]; fragment != nil && r.subgraph.has(fragment.On, kind) {
				r.gather(fragment.Selections, kind, found, byKey)
			}
		case r.subgraph.has(one.On, kind):
			r.gather(one.Selections, kind, found, byKey)
		}
	}
}

func (r *run) wanted(conditions []graphql.Condition) bool {
	for _, one := range conditions {
		if holds, _ := r.literal(one.If).(bool); holds != one.Include {
			return false
		}
	}
	return true
}

func (r *run) literals(arguments map[string]any) map[string]any {
	found := make(map[string]any, len(arguments))
	for name, value := range arguments {
		if variable, is := value.(graphql.Variable); is {
			if given, ok := r.variables[string(variable)]; ok {
				found[name] = given
			}
			continue
		}
		found[name] = r.literal(value)
	}
	return found
}

func (r *run) literal(value any) any {
	switch made := value.(type) {
	case graphql.Variable:
		return r.variables[string(made)]
	case []any:
		found := make([]any, len(made))
		for i, item := range made {
			found[i] = r.literal(item)
		}
		return found
	case map[string]any:
		found := make(map[string]any, len(made))
		for name, item := range made {
			found[name] = r.literal(item)
		}
		return found
	}
	return value
}
