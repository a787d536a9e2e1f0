// load is a closed-loop load generator for GraphQL over HTTP/1.1: each connection sends its next request when it has its answer.
//
//	load -operations operations.json [-c 50] [-d 10] [-events] [-authorized] [-churn] http://127.0.0.1:4000/graphql
//
// operations.json: [{"body": "…", "answer": "…"}], taken in rotation. `{{n}}` in both becomes a number that no other request of this
// run has. Every answer has to be `answer`, byte for byte, or the same JSON with its errors in another order (counted as "reordered").
// At the deadline no request starts any more and those in flight are waited for, so that a server's CPU time ÷ requests is exact.
// With -authorized each request has an Authorization header of its own, with -churn each has a connection of its own.
// With -events each connection is a subscription over server-sent events. It prints one line of JSON.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net/url"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

type operation struct {
	Body   string `json:"body"`
	Answer string `json:"answer"`
}

// tally is what one connection saw.
type tally struct {
	microseconds       []int64
	bad, reordered, io int64
	bytes              int64
	sample             string
}

type load struct {
	target     *url.URL
	operations []*prepared
	deadline   time.Time
	length     time.Duration
	beginning  sync.WaitGroup
	turn       atomic.Int64
	first      int64
	authorized bool
	churn      bool
}

func main() {
	connections := flag.Int("c", 50, "connections")
	seconds := flag.Float64("d", 10, "seconds")
	path := flag.String("operations", "", "the operations' file")
	first := flag.Int64("first", 0, "the first number for {{n}}")
	subscribe := flag.Bool("events", false, "subscriptions over server-sent events")
	authorized := flag.Bool("authorized", false, "an Authorization header of its own for each request")
	churn := flag.Bool("churn", false, "a connection of its own for each request")
	flag.Parse()
	target, err := url.Parse(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	text, err := os.ReadFile(*path)
	if err != nil {
		log.Fatal(err)
	}
	var operations []operation
	if err := json.Unmarshal(text, &operations); err != nil || len(operations) == 0 {
		log.Fatalf("%s: no operations: %v", *path, err)
	}
	l := &load{target: target, first: *first, authorized: *authorized, churn: *churn}
	for _, one := range operations {
		l.operations = append(l.operations, prepare(one))
	}
	tallies := make([]tally, *connections)
	var all sync.WaitGroup
	start := time.Now()
	l.length = time.Duration(*seconds * float64(time.Second))
	l.deadline = start.Add(l.length)
	l.beginning.Add(*connections)
	for i := range tallies {
		all.Add(1)
		go func() {
			defer all.Done()
			if *subscribe {
				l.events(&tallies[i])
			} else {
				l.requests(&tallies[i])
			}
		}()
	}
	all.Wait()
	report(tallies, time.Since(start), l.turn.Load()+*first)
}

func report(tallies []tally, took time.Duration, next int64) {
	var whole tally
	for _, one := range tallies {
		whole.microseconds = append(whole.microseconds, one.microseconds...)
		whole.bad += one.bad
		whole.reordered += one.reordered
		whole.io += one.io
		whole.bytes += one.bytes
		if whole.sample == "" {
			whole.sample = one.sample
		}
	}
	sorted := whole.microseconds
	sort.Slice(sorted, func(i, j int) bool { return sorted[i] < sorted[j] })
	quantile := func(share float64) int64 {
		if len(sorted) == 0 {
			return 0
		}
		return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"requests": len(sorted), "duration_us": took.Microseconds(), "bytes": whole.bytes,
		"p50_us": quantile(.5), "p95_us": quantile(.95), "p99_us": quantile(.99), "max_us": quantile(1),
		"bad": whole.bad, "reordered": whole.reordered, "io": whole.io, "sample": whole.sample, "next": next,
	})
}
