// Command oracle answers, in the API server's own code, the questions that sandfence's tests ask about expressions and
// policies: one JSON request for each line of standard input, one JSON answer for each line of standard output, in the
// same order. See README.md for the requests.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// request is what all operations have in common; each reads the rest of the line itself.
type request struct {
	ID json.RawMessage `json:"id"`
	Op string          `json:"op"`
}

// answer is what an operation returns, without its id.
type answer map[string]any

var operations = map[string]func(line []byte) answer{
	"eval":  evaluate,
	"vap":   validate,
	"map":   mutate,
	"parse": parse,
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	reader := bufio.NewReaderSize(in, 1<<20)
	writer := bufio.NewWriter(out)
	encoder := json.NewEncoder(writer)
	encoder.SetEscapeHTML(false)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 1 {
			if err := encoder.Encode(reply(line)); err != nil {
				return err
			}
			// At once: when an expression ends this program, what is missing tells which one it was.
			if err := writer.Flush(); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return writer.Flush()
		}
		if err != nil {
			return err
		}
	}
}

// reply never fails: what goes wrong is part of the answer. There are expressions that the API server's code panics at.
func reply(line []byte) (result answer) {
	var req request
	defer func() {
		if p := recover(); p != nil {
			result = answer{"panic": fmt.Sprint(p)}
		}
		if req.ID != nil {
			result["id"] = req.ID
		}
	}()
	if err := json.Unmarshal(line, &req); err != nil {
		return answer{"oracleError": "request is not JSON: " + err.Error()}
	}
	if req.Op == "" {
		req.Op = "eval"
	}
	operation, ok := operations[req.Op]
	if !ok {
		return answer{"oracleError": fmt.Sprintf("no operation %q", req.Op)}
	}
	return operation(line)
}

func failed(err error) answer {
	return answer{"oracleError": err.Error()}
}
