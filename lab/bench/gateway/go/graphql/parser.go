// Package graphql reads executable GraphQL documents: text in, operations and fragments out.
package graphql

import (
	"errors"
	"strconv"
)

// Document is what one text holds.
type Document struct {
	Operations []*Operation
	Fragments  map[string]*Fragment
}

// Operation has its variables' defaults as literals.
type Operation struct {
	Kind, Name string
	Defaults   map[string]any
	Selections []*Selection
}

// Fragment is a named one.
type Fragment struct {
	On         string
	Selections []*Selection
}

// Selection is a field (Name), a spread (Spread) or an inline fragment (neither; On may be empty).
type Selection struct {
	Key, Name, Spread, On string
	Arguments             map[string]any
	Conditions            []Condition
	Selections            []*Selection
}

// Condition is a @skip or @include.
type Condition struct {
	Include bool
	If      any
}

// Variable stands in literals for a request's variable. Enum values are plain strings.
type Variable string

type syntaxError string

type parser struct {
	source string
	at     int
	token  token
}

// Parse reads a document of operations and fragments.
func Parse(source string) (document *Document, err error) {
	p := &parser{source: source}
	defer func() {
		if failure := recover(); failure != nil {
			message, ours := failure.(syntaxError)
			if !ours {
				panic(failure)
			}
			document, err = nil, errors.New("Syntax Error: "+string(message))
		}
	}()
	p.next()
	document = &Document{Fragments: map[string]*Fragment{}}
	for p.token.kind != end {
		p.definition(document)
	}
	return document, nil
}

// Operation is the one of that name, or the only one.
func (d *Document) Operation(name string) (*Operation, error) {
	for _, operation := range d.Operations {
		if operation.Name == name || name == "" && len(d.Operations) == 1 {
			return operation, nil
		}
	}
	return nil, errors.New("the document has no such operation")
}

func (p *parser) definition(into *Document) {
	if p.is("{") {
		into.Operations = append(into.Operations, &Operation{Kind: "query", Selections: p.selections()})
		return
	}
	switch word := p.name(); word {
	case "fragment":
		called := p.name()
		p.expect("on")
		fragment := &Fragment{On: p.name()}
		p.directives()
		fragment.Selections = p.selections()
		into.Fragments[called] = fragment
	case "query", "mutation", "subscription":
		operation := &Operation{Kind: word, Defaults: map[string]any{}}
		if p.token.kind == name {
			operation.Name = p.name()
		}
		if p.skip("(") {
			for !p.skip(")") {
				p.variable(operation)
			}
		}
		p.directives()
		operation.Selections = p.selections()
		into.Operations = append(into.Operations, operation)
	default:
		p.fail("unexpected %q", word)
	}
}

func (p *parser) variable(of *Operation) {
	p.expect("$")
	called := p.name()
	p.expect(":")
	p.typeReference()
	if p.skip("=") {
		of.Defaults[called] = p.value()
	}
	p.directives()
}

func (p *parser) typeReference() {
	if p.skip("[") {
		p.typeReference()
		p.expect("]")
	} else {
		p.name()
	}
	p.skip("!")
}

func (p *parser) selections() []*Selection {
	p.expect("{")
	var found []*Selection
	for !p.skip("}") {
		found = append(found, p.selection())
	}
	return found
}

func (p *parser) selection() *Selection {
	made := &Selection{}
	if p.skip("...") {
		switch {
		case p.token.kind == name && p.token.value != "on":
			made.Spread = p.name()
			made.Conditions = p.directives()
			return made
		case p.skip("on"):
			made.On = p.name()
		}
		made.Conditions = p.directives()
		made.Selections = p.selections()
		return made
	}
	made.Name = p.name()
	made.Key = made.Name
	if p.skip(":") {
		made.Name = p.name()
	}
	made.Arguments = p.arguments()
	made.Conditions = p.directives()
	if p.is("{") {
		made.Selections = p.selections()
	}
	return made
}

func (p *parser) arguments() map[string]any {
	if !p.skip("(") {
		return nil
	}
	found := map[string]any{}
	for !p.skip(")") {
		called := p.name()
		p.expect(":")
		found[called] = p.value()
	}
	return found
}

func (p *parser) directives() []Condition {
	var found []Condition
	for p.skip("@") {
		called := p.name()
		arguments := p.arguments()
		if called == "skip" || called == "include" {
			found = append(found, Condition{called == "include", arguments["if"]})
		}
	}
	return found
}

func (p *parser) value() any {
	now := p.token
	switch {
	case p.skip("$"):
		return Variable(p.name())
	case p.skip("["):
		found := []any{}
		for !p.skip("]") {
			found = append(found, p.value())
		}
		return found
	case p.skip("{"):
		found := map[string]any{}
		for !p.skip("}") {
			called := p.name()
			p.expect(":")
			found[called] = p.value()
		}
		return found
	}
	p.next()
	switch now.kind {
	case text:
		return now.value
	case integer, float:
		number, err := strconv.ParseFloat(now.value, 64)
		if err != nil {
			p.fail("%q is no number", now.value)
		}
		return number
	case name:
		switch now.value {
		case "true", "false":
			return now.value == "true"
		case "null":
			return nil
		}
		return now.value
	}
	p.fail("unexpected %q", now.value)
	return nil
}

func (p *parser) is(word string) bool {
	return (p.token.kind == punctuator || p.token.kind == name) && p.token.value == word
}

func (p *parser) skip(word string) bool {
	if !p.is(word) {
		return false
	}
	p.next()
	return true
}

func (p *parser) expect(word string) {
	if !p.skip(word) {
		p.fail("expected %q, found %q", word, p.token.value)
	}
}

func (p *parser) name() string {
	if p.token.kind != name {
		p.fail("expected a name, found %q", p.token.value)
	}
	found := p.token.value
	p.next()
	return found
}
