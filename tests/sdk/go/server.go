package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// server is what the driver knows of the server: its address, its clock and its outbox.
type server struct{ url, key string }

// ask makes a request without an SDK; a body makes it a POST.
func (s server) ask(path string, body any) []byte {
	method, text := http.MethodGet, []byte{}
	if body != nil {
		method, text = http.MethodPost, must(json.Marshal(body))
	}
	request := must(http.NewRequest(method, s.url+path, bytes.NewReader(text)))
	request.Header.Set("Authorization", "Bearer "+s.key)
	request.Header.Set("Content-Type", "application/json")
	answer := must(http.DefaultClient.Do(request))
	defer answer.Body.Close()
	check(answer.StatusCode < 300, "%s: %s", path, answer.Status)
	return must(io.ReadAll(answer.Body))
}

func (s server) post(path string, body map[string]string) []byte { return s.ask(path, body) }

func (s server) now() time.Time {
	var clock struct{ Now time.Time }
	must(0, json.Unmarshal(s.ask("/_dev/clock", nil), &clock))
	return clock.Now
}

func (s server) advance(seconds int) {
	s.ask("/_dev/clock", map[string]int{"advance_seconds": seconds})
}

func (s server) textsTo(phone string) (texts []string) {
	var outbox []struct{ To, Message string }
	must(0, json.Unmarshal(s.ask("/_dev/sms", nil), &outbox))
	for _, text := range outbox {
		if text.To == phone {
			texts = append(texts, text.Message)
		}
	}
	return
}

func codeIn(text string) string { return regexp.MustCompile(`\b[0-9]{6}\b`).FindString(text) }

// totpCode is the code of a secret (RFC 6238), steps from the server's current one.
func (s server) totpCode(secret string, steps int64) string {
	mac := hmac.New(sha1.New, must(base32.StdEncoding.DecodeString(secret)))
	must(0, binary.Write(mac, binary.BigEndian, s.now().Unix()/30+steps))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff)%1_000_000)
}

// wrongCode is a code of none of the steps the server may accept, nor of the next, should one begin meanwhile.
func (s server) wrongCode(secret string) string {
	var near []string
	for steps := int64(-2); steps <= 3; steps++ {
		near = append(near, s.totpCode(secret, steps))
	}
	for _, digit := range "0123456" {
		if code := strings.Repeat(string(digit), 6); !slices.Contains(near, code) {
			return code
		}
	}
	panic("six codes are not seven")
}

func (s server) rawEnrollUser(user string) string {
	var enrolled struct {
		Factor struct{ ID string } `json:"authentication_factor"`
	}
	path := "/user_management/users/" + user + "/auth_factors"
	must(0, json.Unmarshal(s.post(path, map[string]string{"type": "totp", "name": "Home phone"}), &enrolled))
	return enrolled.Factor.ID
}

// usedTOTP is a TOTP factor with every field that an answer can have: it has a name and was verified once.
func (s server) usedTOTP(user string) string {
	var factor struct {
		ID   string
		TOTP struct{ Secret string }
	}
	must(0, json.Unmarshal(s.post("/auth/factors/enroll", map[string]string{
		"type": "totp", "totp_issuer": "Foo Corp", "totp_user": "alan@foo-corp.com", "user_id": user, "name": "Work phone",
	}), &factor))
	var challenge struct{ ID string }
	must(0, json.Unmarshal(s.post("/auth/factors/"+factor.ID+"/challenge", map[string]string{}), &challenge))
	s.post("/auth/challenges/"+challenge.ID+"/verify", map[string]string{"code": s.totpCode(factor.TOTP.Secret, 0)})
	var shown struct {
		Name       string
		LastUsedAt string `json:"last_used_at"`
	}
	must(0, json.Unmarshal(s.ask("/auth/factors/"+factor.ID, nil), &shown))
	check(shown.Name == "Work phone" && shown.LastUsedAt != "", "no name or no last_used_at")
	return factor.ID
}

// recoveryCode is one of a user's new recovery codes, which challenges accept.
func (s server) recoveryCode(user string) string {
	var created struct{ Codes []string }
	path := "/user_management/users/" + user + "/recovery_codes"
	must(0, json.Unmarshal(s.ask(path, map[string]bool{"accept_on_challenges": true}), &created))
	return created.Codes[0]
}

var crowd string

// crowdedUser is a user with 101 factors, made once.
func (s server) crowdedUser() string {
	if crowd == "" {
		crowd = newUser()
		for range 101 {
			s.rawEnrollUser(crowd)
		}
	}
	return crowd
}

func newUser() string { return "user_" + newSecret() }

func newSecret() string {
	secret := make([]byte, 20)
	must(rand.Read(secret))
	return base32.StdEncoding.EncodeToString(secret)
}

var phones = 100

// newPhone is a number to which no message was sent.
func (s server) newPhone() string {
	for {
		phones++
		if phone := fmt.Sprintf("+1312555%04d", phones); len(s.textsTo(phone)) == 0 {
			return phone
		}
	}
}
