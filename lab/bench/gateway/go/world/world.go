// Package world answers GraphQL operations of subgraphs from one JSON file of data; lab/bench/gateway/worlds.py describes the file.
package world

import (
	"encoding/json"
	"fmt"
	"os"
)

// World is all subgraphs of one graph, by name.
type World struct {
	Subgraphs map[string]*Subgraph `json:"subgraphs"`
	DelayMs   int                  `json:"delayMs"` // before each answer
	Guarded   bool                 `json:"guarded"` // answers requests alone that have an Authorization header
}

// Subgraph has the values of root fields, and rows of objects by type.
type Subgraph struct {
	SDL      string                    `json:"sdl"`
	Abstract map[string][]string       `json:"abstract"`
	Tables   map[string]*Table         `json:"tables"`
	Roots    map[string]map[string]any `json:"roots"`
}

// Table is the objects of one type. Fields of Shared are in each row that doesn't have its own.
type Table struct {
	Keys   []string         `json:"keys"`
	Shared map[string]any   `json:"shared"`
	Rows   []map[string]any `json:"rows"`
	byKey  map[string]map[string]map[string]any
}

// Object is what selections are made on. Layers are looked through in order.
type Object struct {
	Type           string
	layers         []map[string]any
	representation map[string]any
}

// Load reads a world.
func Load(path string) (*World, error) {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	made := &World{}
	if err := json.Unmarshal(bytes, made); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, subgraph := range made.Subgraphs {
		for _, table := range subgraph.Tables {
			table.index()
		}
	}
	return made, nil
}

func (t *Table) index() {
	t.byKey = map[string]map[string]map[string]any{}
	for _, key := range t.Keys {
		t.byKey[key] = map[string]map[string]any{}
		for _, row := range t.Rows {
			t.byKey[key][fmt.Sprint(row[key])] = row
		}
	}
}

func (t *Table) find(key string, value any) map[string]any {
	return t.byKey[key][fmt.Sprint(value)]
}

func (s *Subgraph) object(kind string, row map[string]any) *Object {
	return &Object{Type: kind, layers: []map[string]any{row, s.Tables[kind].Shared}}
}

// entity is nil where no row has one of the representation's keys.
func (s *Subgraph) entity(representation map[string]any) *Object {
	kind, _ := representation["__typename"].(string)
	table := s.Tables[kind]
	if table == nil {
		return nil
	}
	for _, key := range table.Keys {
		if value, given := representation[key]; given {
			if row := table.find(key, value); row != nil {
				found := s.object(kind, row)
				found.representation = representation
				return found
			}
		}
	}
	return nil
}

// has says whether a condition on a type takes objects of another.
func (s *Subgraph) has(condition, kind string) bool {
	if condition == "" || condition == kind {
		return true
	}
	for _, member := range s.Abstract[condition] {
		if member == kind {
			return true
		}
	}
	return false
}

func (o *Object) field(name string) (any, bool) {
	for _, layer := range o.layers {
		if value, ok := layer[name]; ok {
			return value, true
		}
	}
	return nil, false
}
