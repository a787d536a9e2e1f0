package world

import "fmt"

// failure is an error of one field: it becomes null.
type failure struct{ message string }

// resolve turns a value of the file into an object, a list, a scalar or a failure.
func (r *run) resolve(value any, of *Object, arguments map[string]any) any {
	made, isMap := value.(map[string]any)
	if !isMap {
		return value
	}
	s := r.subgraph
	for rule, operand := range made {
		switch rule {
		case "$ref": // [type, key]: a row of this subgraph, with fields of its own in "with"
			pair := operand.([]any)
			return r.reference(pair[0].(string), pair[1], made["with"])
		case "$rows": // the rows of a type; as many as the argument named by "first" says
			kind := operand.(string)
			rows := s.Tables[kind].Rows
			if name, ok := made["first"].(string); ok {
				count := made["default"]
				if given, ok := arguments[name]; ok {
					count = given
				}
				if number, ok := count.(float64); ok {
					rows = rows[:max(0, min(len(rows), int(number)))]
				}
			}
			found := make([]any, len(rows))
			for i, row := range rows {
				found[i] = s.object(kind, row)
			}
			return found
		case "$one": // the row of a type whose first key is the argument named by "argument"
			kind := operand.(string)
			table := s.Tables[kind]
			if row := table.find(table.Keys[0], arguments[made["argument"].(string)]); row != nil {
				return s.object(kind, row)
			}
			return nil
		case "$sum": // fields of the representation, added, and a constant "plus": what @requires asks for
			total, _ := made["plus"].(float64)
			for _, name := range operand.([]any) {
				number, ok := of.representation[name.(string)].(float64)
				if !ok {
					return failure{fmt.Sprintf("The representation has no %s.", name)}
				}
				total += number
			}
			return total
		case "$argument":
			return arguments[operand.(string)]
		case "$error":
			return failure{operand.(string)}
		case "$make": // a new object of a type; its fields may be rules on the root field's arguments
			fields := map[string]any{}
			for name, rule := range made["fields"].(map[string]any) {
				fields[name] = r.resolve(rule, of, arguments)
			}
			layers := []map[string]any{fields}
			if table := s.Tables[operand.(string)]; table != nil {
				layers = append(layers, table.Shared)
			}
			return &Object{Type: operand.(string), layers: layers}
		}
	}
	kind, _ := made["__typename"].(string)
	return &Object{Type: kind, layers: []map[string]any{made}}
}

func (r *run) reference(kind string, key, with any) any {
	table := r.subgraph.Tables[kind]
	row := table.find(table.Keys[0], key)
	if row == nil {
		return nil
	}
	found := r.subgraph.object(kind, row)
	if own, ok := with.(map[string]any); ok {
		found.layers = append([]map[string]any{own}, found.layers...)
	}
	return found
}
