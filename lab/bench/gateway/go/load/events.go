package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"botberi/bench/wire"
)

// events follows one subscription until the deadline, which is counted from when all have their first answer. Each event has to follow the one before it (its "event"), without errors; its
// time on the way is since its "at".
func (l *load) events(t *tally) {
	begun := sync.OnceFunc(l.beginning.Done)
	defer begun()
	turn := l.turn.Add(1) - 1
	one := l.operations[turn%int64(len(l.operations))]
	request := l.bytes(strings.ReplaceAll(one.Body, mark, strconv.FormatInt(turn, 10)), "text/event-stream", "0")
	connection, err := net.DialTimeout("tcp", l.target.Host, timeout)
	if err != nil {
		t.io++
		t.sample = err.Error()
		return
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(timeout))
	r := bufio.NewReaderSize(connection, 64<<10)
	if _, err = connection.Write(request); err != nil {
		t.io++
		return
	}
	head, err := wire.ReadHead(r)
	if err != nil || head.Status != 200 || !head.Chunked {
		t.io++
		t.sample = fmt.Sprintf("no stream: %+v %v", head, err)
		return
	}
	begun()
	l.beginning.Wait()
	deadline := time.Now().Add(l.length)
	connection.SetDeadline(deadline)
	expected := -1
	var waiting bytes.Buffer
	for {
		if ended, err := wire.ReadChunk(r, &waiting); ended || err != nil {
			if ended || time.Now().Before(deadline) {
				t.io++
				t.sample = fmt.Sprintf("the stream ended: %v", err)
			}
			return
		}
		for {
			event, rest, whole := bytes.Cut(waiting.Bytes(), []byte("\n\n"))
			if !whole {
				event, rest, whole = bytes.Cut(waiting.Bytes(), []byte("\r\n\r\n"))
			}
			if !whole {
				break
			}
			t.event(event, &expected)
			waiting.Next(waiting.Len() - len(rest))
		}
	}
}

func (t *tally) event(event []byte, expected *int) {
	var kind string
	var data []byte
	for _, line := range bytes.Split(event, []byte("\n")) {
		if name, value, found := bytes.Cut(line, []byte(":")); found {
			switch value = bytes.TrimPrefix(bytes.TrimRight(value, "\r"), []byte(" ")); string(name) {
			case "event":
				kind = string(value)
			case "data":
				data = append(data, value...)
			}
		}
	}
	if kind != "next" || len(data) == 0 {
		return
	}
	var payload struct {
		Data   map[string]map[string]any `json:"data"`
		Errors []any                     `json:"errors"`
	}
	err := json.Unmarshal(data, &payload)
	for _, root := range payload.Data {
		number, _ := root["event"].(float64)
		at, _ := root["at"].(string)
		sent, parsed := strconv.ParseInt(at, 10, 64)
		if err == nil && parsed == nil && len(payload.Errors) == 0 && (*expected < 0 || int(number) == *expected) {
			*expected = int(number) + 1
			t.bytes += int64(len(data))
			t.microseconds = append(t.microseconds, time.Now().UnixMicro()-sent)
			return
		}
	}
	t.bad++
	if t.sample == "" {
		t.sample = fmt.Sprintf("%.300s", data)
	}
}
