package main

import (
	"encoding/json"
	"hash/maphash"
	"reflect"
	"sort"
	"sync"
)

// equivalent says whether an answer has the data of another, and its errors in any order. What it has seen it knows by hash.
type equivalent struct {
	data   any
	errors []string
	seed   maphash.Seed
	lock   sync.Mutex
	seen   map[uint64]bool
}

func newEquivalent(answer string) *equivalent {
	data, errors := taken(answer)
	return &equivalent{data: data, errors: errors, seed: maphash.MakeSeed(), seen: map[uint64]bool{}}
}

func (e *equivalent) to(got []byte) bool {
	hash := maphash.Bytes(e.seed, got)
	e.lock.Lock()
	defer e.lock.Unlock()
	if known, ok := e.seen[hash]; ok {
		return known
	}
	data, errors := taken(string(got))
	same := reflect.DeepEqual(data, e.data) && reflect.DeepEqual(errors, e.errors)
	if len(e.seen) < 100_000 {
		e.seen[hash] = same
	}
	return same
}

func taken(answer string) (any, []string) {
	var made struct {
		Data   any               `json:"data"`
		Errors []json.RawMessage `json:"errors"`
	}
	if json.Unmarshal([]byte(answer), &made) != nil {
		return answer, nil
	}
	errors := []string{}
	for _, one := range made.Errors {
		errors = append(errors, string(one))
	}
	sort.Strings(errors)
	return made.Data, errors
}
