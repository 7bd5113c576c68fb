package cli

import (
	"encoding/json"
	"fmt"
)

// object is a JSON object whose members stand in the order in which they were written,
// which a Go map would lose.
type object []member

type member struct {
	name  string
	value any // object, []any, string, json.Number, bool or nil
}

// decodeOrdered decodes the next JSON value. It gives objects as object; dec should use
// numbers.
func decodeOrdered(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		members := object{}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			value, err := decodeOrdered(dec)
			if err != nil {
				return nil, err
			}
			members = append(members, member{fmt.Sprint(name), value})
		}
		_, err := dec.Token() // The closing brace.
		return members, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			value, err := decodeOrdered(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := dec.Token() // The closing bracket.
		return list, err
	}
	return token, nil
}
