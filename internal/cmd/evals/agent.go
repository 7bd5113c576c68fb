package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

const (
	// maxCalls is how many tool calls a model may make for one task. The longest way that a
	// task needs is far shorter.
	maxCalls = 60
	// maxTurns is how many turns a model may take for one task.
	maxTurns = 40
	// settlingTime is how long speech may go on after the model's last turn. Then the task is
	// judged.
	settlingTime = 6 * time.Minute
)

// try lets a model try a task in a world of its own, and checks what came of it. If the model
// fails, result.failure says why. The error says that the try could not be made.
func try(ctx context.Context, m model, t task) (result, error) {
	start := time.Now()
	w, err := newWorld(ctx, t.toolsets)
	if err != nil {
		return result{}, err
	}
	defer w.stop()
	if t.prepare != nil {
		if err := t.prepare(ctx, w); err != nil {
			return result{}, fmt.Errorf("preparation: %w", err)
		}
	}
	c := &conversation{system: w.instructions, tools: w.tools, request: t.request}
	r := result{}
	r.failure, err = converse(ctx, m, w, c, &r)
	if err != nil {
		return result{}, err
	}
	if r.failure == nil {
		r.failure, err = judge(ctx, w, t, r.answer)
	}
	r.took = time.Since(start)
	return r, err
}

// converse asks the model for turns and makes the calls in them, until a turn has no call. It
// adds the calls, errors and tokens to r, and keeps the last text as r.answer. The failure says
// that the model did not come to an end. The error says that the model could not be asked.
func converse(ctx context.Context, m model, w *world, c *conversation, r *result) (failure, err error) {
	for range maxTurns {
		said, err := m.next(ctx, c)
		if err != nil {
			return nil, err
		}
		r.usage = r.usage.plus(said.usage)
		r.answer = said.text
		if len(said.calls) == 0 {
			return nil, nil
		}
		for i := range said.calls {
			if r.calls == maxCalls {
				return errTooManyCalls, nil
			}
			r.calls++
			if err := makeCall(ctx, w, &said.calls[i]); err != nil {
				return nil, err
			}
			if said.calls[i].failed {
				r.errors++
			}
		}
		c.turns = append(c.turns, said)
	}
	return errTooManyCalls, nil
}

// makeCall makes a tool call of the model and writes the result into made. It refuses arguments
// that are no JSON object, as clients do.
func makeCall(ctx context.Context, w *world, made *call) (err error) {
	arguments := strings.TrimSpace(made.arguments)
	if arguments == "" {
		arguments = "{}"
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(arguments), &object); err != nil {
		made.result, made.failed = "The arguments are no JSON object: "+err.Error(), true
		return nil
	}
	made.result, made.failed, err = w.call(ctx, made.tool, json.RawMessage(arguments))
	return err
}

// judge checks what came of a task. The failure says what is wrong. The error says that it
// could not be found out.
func judge(ctx context.Context, w *world, t task, answer string) (failure, err error) {
	all, err := w.streams(ctx, settlingTime)
	if err != nil {
		return nil, err
	}
	list, err := w.checker.ListStreamTasks(ctx)
	if err != nil {
		return nil, err
	}
	o := outcome{answer: answer, streams: all}
	for _, task := range list.Tasks {
		o.runningRooms = append(o.runningRooms, task.RoomID)
	}
	for _, check := range t.checks {
		if err := check(o); err != nil {
			return err, nil
		}
	}
	return nil, nil
}
