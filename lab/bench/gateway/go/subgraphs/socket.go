package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"botberi/bench/wire"
	"botberi/bench/world"
)

const (
	opText, opClose, opPing, opPong = 1, 8, 9, 10
	protocol                        = "graphql-transport-ws"
)

type socket struct {
	connection net.Conn
	lock       sync.Mutex
	stops      map[string]chan struct{}
}

type message struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// socket speaks graphql-transport-ws (RFC 6455 below it: frames of a client are masked, ours aren't) until the client goes.
func (s *server) socket(subgraph *world.Subgraph, head *wire.Head, connection net.Conn, r *bufio.Reader) {
	if !strings.Contains(head.Protocol, protocol) {
		connection.Write(response("400 Bad Request", failed(fmt.Errorf("the subprotocol here is %s", protocol))))
		return
	}
	sum := sha1.Sum([]byte(head.Key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(connection, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]), protocol)
	k := &socket{connection: connection, stops: map[string]chan struct{}{}}
	defer k.stopAll()
	for {
		code, payload, err := readFrame(r)
		switch {
		case err != nil || code == opClose:
			return
		case code == opPing:
			k.frame(opPong, payload)
		case code == opText:
			var got message
			if json.Unmarshal(payload, &got) != nil || !s.handle(k, subgraph, got) {
				return
			}
		}
	}
}

func (s *server) handle(k *socket, subgraph *world.Subgraph, got message) bool {
	switch got.Type {
	case "connection_init":
		return k.send(message{Type: "connection_ack"})
	case "ping":
		return k.send(message{Type: "pong"})
	case "subscribe":
		asked, document, operation, err := s.read(got.Payload)
		if err != nil {
			return k.refuse(got.ID, err)
		}
		if operation.Kind != "subscription" {
			return k.send(message{got.ID, "next", subgraph.Answer(document, operation, asked.Variables)}) &&
				k.send(message{ID: got.ID, Type: "complete"})
		}
		next, every, err := subgraph.Stream(document, operation, asked.Variables)
		if err != nil {
			return k.refuse(got.ID, err)
		}
		go k.stream(got.ID, k.begin(got.ID), next, every)
	case "complete":
		k.end(got.ID)
	}
	return true
}

func (k *socket) stream(id string, stop chan struct{}, next func(int) []byte, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for number := 0; k.send(message{id, "next", next(number)}); number++ {
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
	}
}

func (k *socket) begin(id string) chan struct{} {
	k.lock.Lock()
	defer k.lock.Unlock()
	stop := make(chan struct{})
	k.stops[id] = stop
	return stop
}

func (k *socket) end(id string) {
	k.lock.Lock()
	defer k.lock.Unlock()
	if stop, running := k.stops[id]; running {
		close(stop)
		delete(k.stops, id)
	}
}

func (k *socket) stopAll() {
	k.lock.Lock()
	defer k.lock.Unlock()
	for _, stop := range k.stops {
		close(stop)
	}
	k.stops = map[string]chan struct{}{}
}

func (k *socket) refuse(id string, err error) bool {
	payload, _ := json.Marshal([]any{map[string]any{"message": err.Error()}})
	return k.send(message{id, "error", payload})
}

func (k *socket) send(what message) bool {
	text, _ := json.Marshal(what)
	return k.frame(opText, text)
}

func (k *socket) frame(code byte, payload []byte) bool {
	head := []byte{0x80 | code}
	switch length := len(payload); {
	case length < 126:
		head = append(head, byte(length))
	case length < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 126), uint16(length))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 127), uint64(length))
	}
	k.lock.Lock()
	defer k.lock.Unlock()
	_, err := k.connection.Write(append(head, payload...))
	return err == nil
}

// readFrame takes whole messages only: gateways don't fragment the short ones that they send here.
func readFrame(r *bufio.Reader) (byte, []byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	length, masked := uint64(head[1]&0x7f), head[1]&0x80 != 0
	if size := map[uint64]int{126: 2, 127: 8}[length]; size > 0 {
		var extended [8]byte
		if _, err := io.ReadFull(r, extended[8-size:]); err != nil {
			return 0, nil, err
		}
		length = binary.BigEndian.Uint64(extended[:])
	}
	if length > 1<<20 || head[0]&0x80 == 0 {
		return 0, nil, fmt.Errorf("a frame of another kind than expected")
	}
	var mask [4]byte
	if masked {
		if _, err := io.ReadFull(r, mask[:]); err != nil {
			return 0, nil, err
		}
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return head[0] & 0x0f, payload, nil
}
