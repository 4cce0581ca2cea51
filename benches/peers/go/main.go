// The least that answers the same three requests on Go's standard library: factors in memory, one synced line per attempt.
//
// It lacks API keys, tenants, expiry, locks, audit lines, a QR code and encryption: secrets are in memory in clear text, and
// are lost when it stops. Two processes of it would accept a code twice.
package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

type factor struct {
	secret   []byte
	lastStep uint64
}

type challenge struct {
	factor   *factor
	attempts int
}

var (
	lock       sync.Mutex
	factors    = map[string]*factor{}
	challenges = map[string]*challenge{}
	attempts   *os.File
)

// code is RFC 6238's, with SHA-1 and six digits.
func code(secret []byte, step uint64) string {
	mac := hmac.New(sha1.New, secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, step))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1_000_000)
}

func answer(w http.ResponseWriter, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Print(err)
	}
}

func enroll(w http.ResponseWriter, r *http.Request) {
	id, secret := rand.Text(), make([]byte, 20)
	rand.Read(secret)
	lock.Lock()
	factors[id] = &factor{secret: secret}
	lock.Unlock()
	answer(w, map[string]any{"id": id, "totp": map[string]string{"secret": base32.StdEncoding.EncodeToString(secret)}})
}

func open(w http.ResponseWriter, r *http.Request) {
	lock.Lock()
	defer lock.Unlock()
	found, ok := factors[r.PathValue("id")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	id := rand.Text()
	challenges[id] = &challenge{factor: found}
	answer(w, map[string]any{"id": id})
}

func verify(w http.ResponseWriter, r *http.Request) {
	var body struct{ Code string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	now := uint64(time.Now().Unix()) / 30
	lock.Lock()
	defer lock.Unlock()
	found, ok := challenges[r.PathValue("id")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	found.attempts++
	valid := false
	for step := now - 1; step <= now+1 && found.attempts <= 5; step++ {
		same := subtle.ConstantTimeCompare([]byte(code(found.factor.secret, step)), []byte(body.Code)) == 1
		if same && step > found.factor.lastStep {
			valid, found.factor.lastStep = true, step
		}
	}
	fmt.Fprintf(attempts, "%s %d %t\n", r.PathValue("id"), now, valid)
	if err := attempts.Sync(); err != nil {
		log.Fatal(err)
	}
	answer(w, map[string]any{"valid": valid})
}

func main() {
	var err error
	if attempts, err = os.Create(os.Args[1]); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /auth/factors/enroll", enroll)
	http.HandleFunc("POST /auth/factors/{id}/challenge", open)
	http.HandleFunc("POST /auth/challenges/{id}/verify", verify)
	fmt.Printf("http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
