// subgraphs serves all subgraphs of a world on one port: POST or GET /NAME (JSON, or server-sent events), WebSocket /NAME, GET /counts.
//
//	subgraphs -world world.json [-port 0]
//
// It prints the port that it listens on. Answers are computed from the data and remembered by the exact request.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"botberi/bench/graphql"
	"botberi/bench/wire"
	"botberi/bench/world"
)

type server struct {
	world  *world.World
	counts map[string]*atomic.Int64
	lock   sync.RWMutex
	known  map[string]map[string][]byte
	parsed map[string]*graphql.Document
	bytes  int
	limit  int
}

type request struct {
	Query         string         `json:"query"`
	Variables     map[string]any `json:"variables"`
	OperationName string         `json:"operationName"`
}

func main() {
	path := flag.String("world", "", "the world's file")
	port := flag.Int("port", 0, "0 takes any free one")
	memory := flag.Int("memory", 256, "megabytes of remembered answers")
	flag.Parse()
	loaded, err := world.Load(*path)
	if err != nil {
		log.Fatal(err)
	}
	s := &server{world: loaded, counts: map[string]*atomic.Int64{}, limit: *memory << 20}
	for name := range loaded.Subgraphs {
		s.counts[name] = &atomic.Int64{}
	}
	s.forget()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go s.serve(connection)
	}
}

func (s *server) forget() {
	s.known, s.parsed, s.bytes = map[string]map[string][]byte{}, map[string]*graphql.Document{}, 0
	for name := range s.world.Subgraphs {
		s.known[name] = map[string][]byte{}
	}
}

func (s *server) serve(connection net.Conn) {
	defer connection.Close()
	r := bufio.NewReaderSize(connection, 64<<10)
	var body bytes.Buffer
	for {
		head, err := wire.ReadHead(r)
		if err != nil {
			return
		}
		if err := head.ReadBody(r, &body); err != nil {
			return
		}
		target, parameters, _ := strings.Cut(head.Target, "?")
		name := strings.TrimPrefix(target, "/")
		if head.Method == "GET" && parameters != "" {
			fromParameters(parameters, &body)
		}
		subgraph := s.world.Subgraphs[name]
		switch {
		case subgraph == nil:
			_, err = connection.Write(s.other(name))
		case head.Upgrade == "websocket":
			s.counts[name].Add(1)
			s.socket(subgraph, head, connection, r)
			return
		case head.Method != "POST" && parameters == "":
			_, err = connection.Write(response("405 Method Not Allowed", nil))
		case strings.Contains(head.Accept, "text/event-stream") && s.isSubscription(body.Bytes()):
			s.counts[name].Add(1)
			s.events(subgraph, body.Bytes(), connection)
			return
		case s.world.Guarded && !head.Authorized:
			_, err = connection.Write(response("401 Unauthorized", nil))
		default:
			s.counts[name].Add(1)
			if s.world.DelayMs > 0 {
				time.Sleep(time.Duration(s.world.DelayMs) * time.Millisecond)
			}
			_, err = connection.Write(s.answer(name, subgraph, body.Bytes()))
		}
		if err != nil || head.Close {
			return
		}
	}
}

// fromParameters makes the body of a GET: some gateways subscribe by it.
func fromParameters(parameters string, body *bytes.Buffer) {
	given, _ := url.ParseQuery(parameters)
	made := map[string]any{"query": given.Get("query"), "operationName": given.Get("operationName")}
	if variables := given.Get("variables"); variables != "" {
		made["variables"] = json.RawMessage(variables)
	}
	body.Reset()
	_ = json.NewEncoder(body).Encode(made)
}

func (s *server) other(target string) []byte {
	switch target {
	case "health":
		return response("200 OK", []byte(`{"status":"ok"}`))
	case "counts":
		found := map[string]int64{}
		for name, count := range s.counts {
			found[name] = count.Load()
		}
		body, _ := json.Marshal(found)
		return response("200 OK", body)
	}
	return response("404 Not Found", nil)
}

func response(status string, body []byte) []byte {
	head := fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", status, len(body))
	return append([]byte(head), body...)
}

func (s *server) answer(name string, subgraph *world.Subgraph, body []byte) []byte {
	s.lock.RLock()
	known := s.known[name][string(body)]
	s.lock.RUnlock()
	if known != nil {
		return known
	}
	asked, document, operation, err := s.read(body)
	if err != nil {
		return response("400 Bad Request", failed(err))
	}
	if operation.Kind == "subscription" {
		return response("400 Bad Request", failed(fmt.Errorf("subscriptions come by WebSocket or text/event-stream")))
	}
	made := response("200 OK", subgraph.Answer(document, operation, asked.Variables))
	if operation.Kind == "query" {
		s.remember(func() { s.known[name][string(body)] = made }, len(body)+len(made))
	}
	return made
}

// remember keeps within the limit by starting from nothing: what is in use comes back at once.
func (s *server) remember(store func(), size int) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.bytes += size; s.bytes > s.limit {
		s.forget()
		s.bytes = size
	}
	store()
}

func (s *server) read(body []byte) (*request, *graphql.Document, *graphql.Operation, error) {
	asked := &request{}
	if err := json.Unmarshal(body, asked); err != nil {
		return nil, nil, nil, err
	}
	s.lock.RLock()
	document := s.parsed[asked.Query]
	s.lock.RUnlock()
	if document == nil {
		var err error
		if document, err = graphql.Parse(asked.Query); err != nil {
			return nil, nil, nil, err
		}
		s.remember(func() { s.parsed[asked.Query] = document }, 20*len(asked.Query))
	}
	operation, err := document.Operation(asked.OperationName)
	return asked, document, operation, err
}

func failed(err error) []byte {
	body, _ := json.Marshal(map[string]any{"errors": []any{map[string]any{"message": err.Error()}}})
	return body
}

func (s *server) isSubscription(body []byte) bool {
	_, _, operation, err := s.read(body)
	return err == nil && operation.Kind == "subscription"
}

// events answers with server-sent events until the client goes.
func (s *server) events(subgraph *world.Subgraph, body []byte, connection net.Conn) {
	asked, document, operation, _ := s.read(body)
	next, every, err := subgraph.Stream(document, operation, asked.Variables)
	if err != nil {
		connection.Write(response("400 Bad Request", failed(err)))
		return
	}
	head := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
	if _, err := connection.Write([]byte(head)); err != nil {
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for number := 0; ; number++ {
		event := fmt.Sprintf("event: next\ndata: %s\n\n", next(number))
		if _, err := fmt.Fprintf(connection, "%x\r\n%s\r\n", len(event), event); err != nil {
			return
		}
		<-ticker.C
	}
}
