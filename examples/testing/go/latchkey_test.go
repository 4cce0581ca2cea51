package login

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Latchkey is a running server for tests. Copy this file into your tests; docs/TESTING.md explains it.
type Latchkey struct {
	URL    string `json:"url"`
	APIKey string `json:"api_key"`
}

// startLatchkey starts a server that keeps everything in memory. It stops with the test, also if that fails.
func startLatchkey(t *testing.T) (latchkey Latchkey) {
	t.Helper()
	readyFile := t.TempDir() + "/ready.json"
	binary := cmp.Or(os.Getenv("LATCHKEY_BIN"), "latchkey")
	var log bytes.Buffer
	server := exec.Command(binary, "serve", "--in-memory", "--port", "0", "--ready-file", readyFile)
	server.Stderr = &log
	check(t, server.Start())
	ended := make(chan struct{})
	go func() { server.Wait(); close(ended) }()
	t.Cleanup(func() { server.Process.Kill(); <-ended }) // It keeps nothing.

	for deadline := time.After(30 * time.Second); ; {
		if ready, err := os.ReadFile(readyFile); err == nil {
			check(t, json.Unmarshal(ready, &latchkey))
			return latchkey
		}
		select {
		case <-ended:
			t.Fatalf("latchkey did not start: %s", &log)
		case <-deadline:
			t.Fatal("latchkey was not ready after 30 s")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// MessagesTo is the text messages to a phone number.
func (l Latchkey) MessagesTo(t *testing.T, phone string) (messages []string) {
	answer, err := http.Get(l.URL + "/_dev/sms")
	check(t, err)
	defer answer.Body.Close()
	var outbox []struct{ To, Message string }
	check(t, json.NewDecoder(answer.Body).Decode(&outbox))
	for _, sms := range outbox {
		if sms.To == phone {
			messages = append(messages, sms.Message)
		}
	}
	return messages
}

// Advance turns the server's clock.
func (l Latchkey) Advance(t *testing.T, by time.Duration) {
	body := fmt.Sprintf(`{"advance_seconds": %d}`, int(by.Seconds()))
	answer, err := http.Post(l.URL+"/_dev/clock", "application/json", bytes.NewBufferString(body))
	check(t, err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
