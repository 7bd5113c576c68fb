package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Server is what an entry tells a client to start, or to connect to.
type Server struct {
	Name    string   // The entry's name, such as zego.
	URL     string   // Of a remote server. If it is set, nothing below counts.
	Command string   // Absolute path of the program.
	Args    []string // Arguments of the program. Nil: those of an entry that is there stay.
	Credentials
}

// Credentials say how a server that a client starts gets its AppID and its ServerSecret. If
// all is empty, it needs none or finds them by itself.
type Credentials struct {
	AppID      string // Written as it is; empty: not written.
	Secret     string // Written in clear.
	SecretFile string // File that holds the secret.
	Variable   bool   // The secret is in the variable ZEGO_SERVER_SECRET of the client's environment.
	Ask        bool   // Nobody knows the secret yet. A client that can asks its user for it.
}

// Variables of the environment from which a server takes its credentials.
const (
	appIDVariable      = "ZEGO_APP_ID"
	secretVariable     = "ZEGO_SERVER_SECRET"      //nolint:gosec // A name, no secret.
	secretFileVariable = "ZEGO_SERVER_SECRET_FILE" //nolint:gosec // A name, no secret.
)

// Ids of what VS Code asks its user for.
const (
	appIDInput  = "zego_app_id"
	secretInput = "zego_server_secret" //nolint:gosec // A name, no secret.
)

// Finds reports whether a server with these credentials finds its secret, started by the
// client. Otherwise somebody must run zego-mcp login.
func (c *Client) Finds(of Credentials) bool {
	switch {
	case of.Variable:
		return c.asks || c.reference != "" || strings.Contains(c.local, variablesMark)
	case of.Ask:
		return c.asks
	}
	return true
}

// member is a member of a JSON object.
type member struct {
	key   string
	value json.RawMessage
}

// members are a JSON object, in the order in which it is written.
type members []member

// get returns the value of a key, or nil.
func (m members) get(key string) json.RawMessage {
	for _, member := range m {
		if member.key == key {
			return member.value
		}
	}
	return nil
}

// set returns m with a value for a key: in the place of the one that is there, or at the end.
// Without a value, the key goes.
func (m members) set(key string, value json.RawMessage) members {
	i := slices.IndexFunc(m, func(member member) bool { return member.key == key })
	switch {
	case i < 0 && value == nil:
		return m
	case i < 0:
		return append(slices.Clone(m), member{key, value})
	case value == nil:
		return slices.Delete(slices.Clone(m), i, i+1)
	}
	m = slices.Clone(m)
	m[i].value = value
	return m
}

// json returns the object as JSON. An empty one is nil.
func (m members) json() json.RawMessage {
	if len(m) == 0 {
		return nil
	}
	var out bytes.Buffer
	for i, member := range m {
		separator := ","
		if i == 0 {
			separator = "{"
		}
		out.WriteString(separator)
		out.Write(toJSON(member.key))
		out.WriteByte(':')
		out.Write(member.value)
	}
	out.WriteByte('}')
	return out.Bytes()
}

// decodeMembers reads a JSON object. Of a key that is there twice the last value counts, as it
// does for clients. ok is false if the value is something else.
func decodeMembers(value json.RawMessage) (m members, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(value))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, false
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, false
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, false
		}
		m = m.set(fmt.Sprint(key), value)
	}
	return m, true
}

// toJSON writes texts and lists of texts as JSON, without HTML escapes.
func toJSON(value any) json.RawMessage {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(value) // Texts can always be encoded.
	return bytes.TrimSpace(out.Bytes())
}

// Marks in templates. A template is a JSON object in which a mark stands in place of a value.
const (
	nameMark      = "$name"
	commandMark   = "$command" // The path of the program.
	argsMark      = "$args"
	programMark   = "$program"   // A list of the program and its arguments.
	envMark       = "$env"       // An object of variables; left out if it is empty.
	variablesMark = "$variables" // A list of variables that the client passes on; left out if it is empty.
	urlMark       = "$url"
)

// template is an entry with marks.
type template members

// parseTemplate reads a template of All.
func parseTemplate(text string) template {
	m, _ := decodeMembers(json.RawMessage(text))
	return template(m)
}

// key returns the key whose value is a mark, or "" if there is none.
func (t template) key(mark string) string {
	for _, member := range t {
		if string(member.value) == `"`+mark+`"` {
			return member.key
		}
	}
	return ""
}

// fill puts values in the place of the marks. A mark without value goes with its key.
func (t template) fill(values map[string]json.RawMessage) members {
	var filled members
	for _, m := range t {
		var mark string
		if err := json.Unmarshal(m.value, &mark); err == nil && strings.HasPrefix(mark, "$") {
			m.value = values[mark]
		}
		if m.value != nil {
			filled = append(filled, m)
		}
	}
	return filled
}

// entry returns the entry of a server for an empty file of the client.
func (c *Client) entry(t template, s Server) members {
	if s.URL != "" {
		return t.fill(map[string]json.RawMessage{nameMark: toJSON(s.Name), urlMark: toJSON(s.URL)})
	}
	env, variables := c.env(s.Credentials)
	values := map[string]json.RawMessage{
		nameMark: toJSON(s.Name), commandMark: toJSON(s.Command), envMark: env.json(),
		argsMark: toJSON(append([]string{}, s.Args...)), programMark: toJSON(append([]string{s.Command}, s.Args...)),
	}
	if len(variables) > 0 {
		values[variablesMark] = toJSON(variables)
	}
	return t.fill(values)
}

// env returns the variables that an entry sets, and those that the client passes on.
func (c *Client) env(of Credentials) (env members, variables []string) {
	asks := c.asks && (of.Variable || of.Ask)
	if of.AppID != "" {
		env = env.set(appIDVariable, toJSON(of.AppID))
	} else if asks {
		env = env.set(appIDVariable, toJSON("${input:"+appIDInput+"}"))
	}
	switch {
	case of.Secret != "":
		env = env.set(secretVariable, toJSON(of.Secret))
	case of.SecretFile != "":
		env = env.set(secretFileVariable, toJSON(of.SecretFile))
	case asks:
		env = env.set(secretVariable, toJSON("${input:"+secretInput+"}"))
	case of.Variable && c.reference != "":
		env = env.set(secretVariable, toJSON(fmt.Sprintf(c.reference, secretVariable)))
	case of.Variable && strings.Contains(c.local, variablesMark):
		variables = []string{secretVariable}
	}
	return env, variables
}

// inputs returns what the client is to ask its user for, so that an entry can refer to it.
func (c *Client) inputs(entry members) map[string]members {
	inputs := map[string]members{}
	if !c.asks {
		return inputs
	}
	for id, description := range map[string]string{appIDInput: "AppID of your ZEGOCLOUD project", secretInput: "ServerSecret of your ZEGOCLOUD project"} {
		if !bytes.Contains(entry.json(), []byte("${input:"+id+"}")) {
			continue
		}
		inputs[id] = members{{"id", toJSON(id)}, {"type", toJSON("promptString")}, {"description", toJSON(description)}}
		if id == secretInput {
			inputs[id] = inputs[id].set("password", json.RawMessage("true"))
		}
	}
	return inputs
}

// merge returns the entry old, changed so that the client starts or connects to the server
// that fresh describes. What the user has added to it stays, and so do its arguments if
// keepArgs is set.
func merge(t template, old, fresh members, keepArgs bool) members {
	merged := old
	for _, m := range t {
		before, after := old.get(m.key), fresh.get(m.key)
		switch {
		case m.key == t.key(envMark):
			after = mergeEnv(before, after)
		case m.key == t.key(variablesMark):
			after = mergeVariables(before, after)
		case m.key == t.key(argsMark) && keepArgs && before != nil:
			after = before
		case m.key == t.key(programMark) && keepArgs:
			program, args := texts(after), texts(before)
			after = toJSON(append(program[:1:1], args[min(1, len(args)):]...))
		case m.key != "type" && !strings.HasPrefix(string(m.value), `"$`) && before != nil:
			after = before // Such as enabled: the user may have turned it off.
		}
		merged = merged.set(m.key, after)
	}
	return merged
}

// mergeEnv replaces the credentials among the variables before by those of after. A secret
// that the user has written in clear stays, with its AppID, unless after has another.
func mergeEnv(before, after json.RawMessage) json.RawMessage {
	old, _ := decodeMembers(before)
	fresh, _ := decodeMembers(after)
	var secret string
	_ = json.Unmarshal(old.get(secretVariable), &secret) // Empty if it is no text.
	if secret != "" && !strings.ContainsAny(secret, "${}") && !isClear(fresh.get(secretVariable)) {
		return old.json()
	}
	for _, name := range []string{appIDVariable, secretVariable, secretFileVariable} {
		old = old.set(name, fresh.get(name))
	}
	return old.json()
}

// isClear reports whether the value of a variable is there and refers to no other.
func isClear(value json.RawMessage) bool {
	return value != nil && !bytes.ContainsAny(value, "${}")
}

// mergeVariables replaces the credentials among the variables to pass on by those of after.
func mergeVariables(before, after json.RawMessage) json.RawMessage {
	names := slices.DeleteFunc(texts(before), func(name string) bool {
		return name == appIDVariable || name == secretVariable || name == secretFileVariable
	})
	if names = append(names, texts(after)...); len(names) > 0 {
		return toJSON(names)
	}
	return nil
}

// texts returns the texts of a JSON list, or nil if the value is something else.
func texts(value json.RawMessage) []string {
	var list []string
	if err := json.Unmarshal(value, &list); err != nil {
		return nil
	}
	return list
}
