package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"
	"github.com/workos/workos-go/v7"
)

var (
	latchkey  = cmp.Or(os.Getenv("LATCHKEY_URL"), "http://127.0.0.1:8787")
	apiKey    = os.Getenv("LATCHKEY_API_KEY")
	client    = &http.Client{Timeout: 10 * time.Second}
	sdk       = workos.NewClient(apiKey, workos.WithBaseURL(latchkey), workos.WithHTTPClient(client))
	mfa       = sdk.MultiFactorAuth()
	issuer    = "Foo Corp"
	message   = "Foo Corp: {{code}} is your code."
	sixDigits = regexp.MustCompile(`^[0-9]{6}$`)
)

// challenge asks for a code of a factor. Its ID waits in the session, so that it is always this user's.
func challenge(r *http.Request, factor string) error {
	params := &workos.MultiFactorAuthChallengeFactorParams{SmsTemplate: &message}
	challenge, err := mfa.ChallengeFactor(r.Context(), factor, params)
	if err == nil {
		sessions.Put(r.Context(), "challenge", challenge.ID)
	}
	return err
}

// verify returns nil only if the code in the form is right.
func verify(r *http.Request) error {
	code := strings.ReplaceAll(r.PostFormValue("code"), " ", "")
	if !sixDigits.MatchString(code) {
		return wrongCode
	}
	id := sessions.GetString(r.Context(), "challenge")
	answer, err := mfa.VerifyChallenge(r.Context(), id, &workos.MultiFactorAuthVerifyChallengeParams{Code: code})
	if err == nil && !answer.Valid { // A wrong code is not an error.
		return wrongCode
	}
	return err
}

func enterCode(r *http.Request, p *page) (string, error) {
	if !sessions.Exists(r.Context(), "challenge") {
		if err := challenge(r, p.User.App); err != nil {
			return "", err
		}
	}
	if err := verify(r); err != nil {
		return "", err
	}
	return "/", enter(r, "user", p.User)
}

func textCode(r *http.Request, p *page) (string, error) {
	if err := challenge(r, p.User.Phone); err != nil {
		return "", err
	}
	sessions.Put(r.Context(), "status", "We sent a code to your phone.")
	return "/login/code", nil
}

func enterRecoveryCode(r *http.Request, p *page) (string, error) {
	answer, err := recoveryCodes(r, p.User, "POST", "/verify", r.PostFormValue("recovery-code"))
	switch code := codeOf(err); {
	case code == "one_time_code_too_many_attempts":
		return "", alert("Too many wrong codes. Try again later.")
	case code == "entity_not_found" || code == "invalid_request_parameters" || err == nil && !answer.Valid:
		return "", alert("That recovery code is wrong or was used before.")
	case err != nil:
		return "", err
	}
	if err := enter(r, "user", p.User); err != nil {
		return "", err
	}
	sessions.Put(r.Context(), "status", fmt.Sprintf("You used a recovery code. %d left.", answer.Remaining))
	return "/account", nil
}

// withPassword asks for the password again, because a stolen session must not change factors.
func withPassword(act action) action {
	return func(r *http.Request, p *page) (string, error) {
		if !p.User.hasPassword(r) {
			return "", alert("Wrong password.")
		}
		return act(r, p)
	}
}

// withApp is for what someone who knows only the password must not prepare for later.
func withApp(act action) action {
	return withPassword(func(r *http.Request, p *page) (string, error) {
		if p.User.App == "" {
			return "", alert("Set up an authenticator app first.")
		}
		return act(r, p)
	})
}

func addApp(r *http.Request, p *page) (string, error) {
	enrolled, err := mfa.CreateUserAuthFactor(r.Context(), p.User.ID, &workos.MultiFactorAuthCreateUserAuthFactorParams{
		Type: "totp", TOTPIssuer: &issuer, TOTPUser: &p.User.Email,
	})
	if err != nil {
		return "", err
	}
	factor, totp := enrolled.AuthenticationFactor.ID, enrolled.AuthenticationFactor.TOTP
	sessions.Put(r.Context(), "challenge", enrolled.AuthenticationChallenge.ID)
	sessions.Put(r.Context(), "enrollment", enrollment{factor, totp.Secret, template.URL(totp.QrCode)})
	return "/account/app/code", nil
}

func addPhone(r *http.Request, p *page) (string, error) {
	// A message costs money, so the number is checked first. "ZZ": its country must be in it.
	number, err := phonenumbers.Parse(r.PostFormValue("phone"), "ZZ")
	if err != nil || !phonenumbers.IsValidNumber(number) {
		return "", badPhone
	}
	switch phonenumbers.GetNumberType(number) {
	case phonenumbers.MOBILE, phonenumbers.FIXED_LINE_OR_MOBILE:
	default:
		return "", badPhone
	}
	e164 := phonenumbers.Format(number, phonenumbers.E164)
	params := &workos.MultiFactorAuthEnrollFactorParams{Type: "sms", PhoneNumber: &e164, UserID: &p.User.ID}
	factor, err := mfa.EnrollFactor(r.Context(), params)
	if err != nil {
		return "", err
	}
	if err := challenge(r, factor.ID); err != nil {
		return "", err
	}
	sessions.Put(r.Context(), "enrollment", enrollment{Factor: factor.ID})
	sessions.Put(r.Context(), "status", "We sent a code to your phone.")
	return "/account/phone/code", nil
}

// confirm makes the new factor the user's, but only after a code of it, and deletes the one that it replaces.
func confirm(r *http.Request, p *page) (string, error) {
	if !sessions.Exists(r.Context(), "challenge") {
		return "/account", nil // This form was sent before.
	}
	if err := verify(r); err != nil {
		return "", err
	}
	added, _ := sessions.Get(r.Context(), "enrollment").(enrollment)
	before, replaced := p.User, p.User.Phone
	if added.Secret != "" {
		p.User.App, replaced = added.Factor, before.App
	} else {
		p.User.Phone = added.Factor
	}
	if !users.CompareAndSwap(before.Email, before, p.User) {
		return "", errors.New("the user was changed at the same time")
	}
	if err := enter(r, "user", p.User); err != nil {
		return "", err
	}
	if replaced != "" {
		if err := mfa.DeleteFactor(r.Context(), replaced); err != nil {
			log.Printf("the replaced factor was not deleted: %s", codeOf(err)) // Nothing uses it any more.
		}
	}
	if left, err := recoveryCodesLeft(r, p.User); added.Secret == "" || left > 0 || err != nil {
		return "/account", err
	}
	return createRecoveryCodes(r, p)
}

func createRecoveryCodes(r *http.Request, p *page) (string, error) {
	created, err := recoveryCodes(r, p.User, "POST", "", "")
	if err == nil {
		p.Title, p.RecoveryCodes = "Recovery codes", created.Codes // Shown by this answer, and never again.
	}
	return "", err
}

func recoveryCodesLeft(r *http.Request, u user) (int, error) {
	codes, err := recoveryCodes(r, u, "GET", "", "")
	if codeOf(err) == "entity_not_found" {
		return 0, nil
	}
	return codes.Remaining, err
}

type recoveryAnswer struct {
	Codes     []string
	Remaining int
	Valid     bool
	Code      string // of an error
}

// recoveryCodes calls the routes that WorkOS does not have, so its SDK has no methods for them.
func recoveryCodes(r *http.Request, u user, method, path, code string) (answer recoveryAnswer, err error) {
	body := new(bytes.Buffer)
	if method == "POST" {
		err = json.NewEncoder(body).Encode(map[string]string{"code": code})
	}
	url := latchkey + "/user_management/users/" + u.ID + "/recovery_codes" + path
	request, failed := http.NewRequestWithContext(r.Context(), method, url, body)
	if err := cmp.Or(err, failed); err != nil {
		return answer, err
	}
	request.Header.Set("Authorization", "Bearer "+apiKey)
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	err = json.NewDecoder(response.Body).Decode(&answer)
	if err == nil && response.StatusCode >= 300 {
		err = &workos.APIError{StatusCode: response.StatusCode, Code: answer.Code}
	}
	return answer, err
}

// An alert is an error that the user can do something about.
type alert string

func (a alert) Error() string { return string(a) }

const (
	wrongCode   = alert("That code is wrong or was used before.")
	badPhone    = alert("Enter a mobile number with its country code, like +1 202 555 0100.")
	unavailable = alert("Something went wrong. Try again in a minute.")
)

// codeOf is the code of an error that Latchkey answered.
func codeOf(err error) string {
	var refused *workos.APIError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// explain turns an error into what the user can do, and forgets a challenge that no code can pass any more.
func explain(r *http.Request, err error) alert {
	var known alert
	if err == nil || errors.As(err, &known) {
		return known
	}
	switch codeOf(err) {
	case "one_time_code_too_many_attempts":
		sessions.Remove(r.Context(), "challenge")
		return "Too many wrong codes. Try again later, or use a recovery code."
	case "authentication_challenge_expired", "authentication_challenge_previously_verified":
		sessions.Remove(r.Context(), "challenge")
		return "That took too long. Enter the newest code."
	case "sms_send_limit_exceeded":
		return "A message was sent a moment ago. Wait before you ask for another one."
	case "invalid_phone_number", "phone_number_not_supported", "phone_number_opted_out",
		"invalid_request_parameters":
		return badPhone
	}
	log.Printf("%T %s", err, codeOf(err)) // Not the message: it may have IDs.
	return unavailable
}
