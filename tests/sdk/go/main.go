// Every version of the Go SDK in go.mod, through its own methods; with arguments, those of these major versions only.
//
// Prints a line for each operation: the version, the column of docs/COMPATIBILITY.md, what came of it, and why.
// ../table.py reads them.
package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image/png"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// verifyFailed begins the errors of versions that do not look at a verify's status.
const verifyFailed = "mfa verification failed: "

var majors = []struct {
	name, module string
	open         func(url, key string) SDK
	hasImport    bool
	hasPages     bool
}{
	{"1", "github.com/workos/workos-go", newV1, false, false},
	{"3", "github.com/workos/workos-go/v3", newV3, false, false},
	{"4", "github.com/workos/workos-go/v4", newV4, true, false},
	{"5", "github.com/workos/workos-go/v5", newV5, true, false},
	{"6", "github.com/workos/workos-go/v6", newV6, true, false},
	{"7", "github.com/workos/workos-go/v7", newV7, true, true},
}

// run is one version under test. Its checks panic with an error.
type run struct {
	SDK
	server
	stranger            SDK
	hasImport, hasPages bool
}

func check(is bool, format string, values ...any) {
	if !is {
		panic(fmt.Errorf(format, values...))
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// refused checks that err has that status and says that.
func refused(err error, status, says string) {
	check(err != nil, "the call succeeded")
	text := err.Error()
	hasStatus := strings.HasPrefix(text, verifyFailed) || strings.Contains(text, status)
	check(hasStatus && regexp.MustCompile(says).MatchString(text), "%s", text)
}

func (r run) enrollTOTP() Factor { return must(r.Enroll("totp", "Foo Corp", "alan@foo-corp.com", "")) }
func (r run) valid(id, code string) bool {
	valid, _, err := r.Verify(id, code)
	return must(valid, err)
}

// login opens a challenge of a new TOTP factor, and returns its right code.
func (r run) login() (Factor, Challenge, string) {
	factor := r.enrollTOTP()
	return factor, must(r.Challenge(factor.ID, "")), r.totpCode(factor.Secret, 0)
}

var columns = []func(r run){
	func(r run) { // 1
		f := r.enrollTOTP()
		check(strings.HasPrefix(f.ID, "auth_factor_") && f.Type == "totp", "%s %s", f.ID, f.Type)
		check(f.Issuer == "" || f.Issuer == "Foo Corp" && f.Account == "alan@foo-corp.com", "%s %s", f.Issuer, f.Account)
		check(regexp.MustCompile("^[A-Z2-7]{32}$").MatchString(f.Secret), "the secret's form")
		check(strings.HasPrefix(f.URI, "otpauth://totp/Foo%20Corp:") && strings.Contains(f.URI, f.Secret), "the URI's form")
		image, isData := strings.CutPrefix(f.QRCode, "data:image/png;base64,")
		check(isData, "the QR code is no data: URI")
		must(png.Decode(bytes.NewReader(must(base64.StdEncoding.DecodeString(image)))))
	},
	func(r run) { // 2
		phone := r.newPhone()
		f := must(r.Enroll("sms", "", "", phone))
		check(f.Type == "sms" && f.Phone == phone, "%s %s", f.Type, f.Phone)
	},
	func(r run) { // 3
		f := must(r.Enroll("generic_otp", "", "", ""))
		c := must(r.Challenge(f.ID, ""))
		check(len(c.Code) == 6, "no code")
		check(r.valid(c.ID, c.Code), "its code is not valid")
	},
	func(r run) { // 4
		id := r.usedTOTP(newUser())
		f := must(r.Get(id))
		check(f.ID == id && f.Type == "totp", "%s %s", f.ID, f.Type)
		check(f.Secret+f.URI+f.QRCode == "", "a get shows the secret")
	},
	func(r run) { // 5
		f, c, _ := r.login()
		created, expires := must(time.Parse(time.RFC3339, c.CreatedAt)), must(time.Parse(time.RFC3339, c.ExpiresAt))
		check(c.FactorID == f.ID && expires.Sub(created) == 10*time.Minute, "%s %s", c.FactorID, expires.Sub(created))
		check(c.Code == "", "a code is shown")
	},
	func(r run) { // 6
		phone := r.newPhone()
		c := must(r.Challenge(must(r.Enroll("sms", "", "", phone)).ID, "Foo Corp: {{code}} is your code"))
		texts := r.textsTo(phone)
		check(len(texts) == 1 && regexp.MustCompile("^Foo Corp: [0-9]{6} is your code$").MatchString(texts[0]), "%d texts", len(texts))
		check(r.valid(c.ID, codeIn(texts[0])), "its code is not valid")
	},
	func(r run) { // 7
		f, c, _ := r.login()
		check(!r.valid(c.ID, r.wrongCode(f.Secret)), "a wrong code is valid")
	},
	func(r run) { // 8
		_, c, code := r.login()
		valid, id, err := r.Verify(c.ID, code)
		check(must(valid, err) && id == c.ID, "%t %s", valid, id)
	},
	func(r run) { // 9
		_, c, code := r.login()
		check(r.valid(c.ID, code), "the right code is not valid")
		_, _, err := r.Verify(c.ID, code)
		refused(err, "422", "previously_verified|already been verified")
	},
	func(r run) { // 10
		f, c, code := r.login()
		wrong := r.wrongCode(f.Secret)
		for range 5 {
			check(!r.valid(c.ID, wrong), "a wrong code is valid")
		}
		_, _, err := r.Verify(c.ID, code)
		refused(err, "400", "too_many_attempts")
	},
	func(r run) { // 11
		phone := r.newPhone()
		c := must(r.Challenge(must(r.Enroll("sms", "", "", phone)).ID, ""))
		r.advance(600)
		_, _, err := r.Verify(c.ID, codeIn(r.textsTo(phone)[0]))
		refused(err, "422", "expired")
	},
	func(r run) { // 12
		_, err := r.Enroll("sms", "", "", "foo")
		refused(err, "422", "invalid_phone_number|Phone number is invalid")
	},
	func(r run) { // 13
		_, err := r.Challenge("auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ", "")
		refused(err, "404", "not found|Not Found")
		_, _, err = r.Verify("auth_challenge_01FZ4TS0MWPZR7GATS7KCXANQZ", "123456")
		refused(err, "404", "not found|Not Found")
	},
	func(r run) { // 14
		_, err := r.stranger.Enroll("totp", "Foo Corp", "alan", "")
		refused(err, "401", "Unauthorized")
	},
	func(r run) { // 15
		id := r.enrollTOTP().ID
		must(id, r.Delete(id))
		_, err := r.Get(id)
		refused(err, "404", "not found|Not Found")
	},
	func(r run) { // 16
		secret := ""
		if r.hasImport {
			secret = newSecret()
		}
		f, c, err := r.EnrollUser(newUser(), "Foo Corp", secret)
		f = must(f, err)
		check(secret == "" || f.Secret == secret, "the imported secret was not kept")
		check(r.valid(c.ID, r.totpCode(f.Secret, 0)), "the right code is not valid")
	},
	func(r run) { // 17
		user, ids := newUser(), []string{}
		for range 3 {
			ids = append([]string{r.rawEnrollUser(user)}, ids...)
		}
		r.post("/auth/factors/enroll", map[string]string{"type": "sms", "phone_number": r.newPhone(), "user_id": user})
		listed, _, err := r.ListUser(user, 2)
		check(slices.Equal(must(listed, err), ids), "%d factors", len(listed))
	},
	func(r run) { // 18
		ids, hasMore, err := r.ListUser(r.crowdedUser(), 0)
		slices.Sort(must(ids, err))
		want := map[bool]int{false: 10, true: 101}[r.hasPages]
		check(len(slices.Compact(ids)) == want && hasMore != r.hasPages, "%d factors", len(ids))
	},
	func(run) { panic(errAbsent) }, // 19: no version here calls the legacy routes
	func(r run) { // 20
		user := newUser()
		factor, recovery := r.usedTOTP(user), r.recoveryCode(user)
		for _, want := range []bool{true, false} {
			c := must(r.Challenge(factor, ""))
			valid, id, err := r.Verify(c.ID, recovery)
			check(must(valid, err) == want && id == c.ID, "%t %s", valid, id)
		}
	},
}

// outcome runs one operation.
func outcome(operation func(run), r run) (outcome, why string) {
	defer func() {
		switch err := recover().(type) {
		case nil:
			outcome = "passed"
		case error:
			if errors.Is(err, errAbsent) {
				outcome = "absent"
			} else {
				outcome, why = "failed", strings.Join(strings.Fields(err.Error()), " ")
			}
		default:
			panic(err)
		}
	}()
	operation(r)
	return
}

func main() {
	url, key := os.Getenv("LATCHKEY_URL"), os.Getenv("LATCHKEY_API_KEY")
	for _, major := range majors {
		if len(os.Args) > 1 && !slices.Contains(os.Args[1:], major.name) {
			continue
		}
		r := run{major.open(url, key), server{url, key}, major.open(url, "sk_local_wrong"), major.hasImport, major.hasPages}
		for column, operation := range columns {
			result, why := outcome(operation, r)
			fmt.Printf("go-%s\t%d\t%s\t%s\n", version(major.module), column+1, result, why)
		}
	}
}
