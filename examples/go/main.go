// A login with a second factor: net/http, the official WorkOS SDK, and Latchkey. Read it from top to bottom.
package main

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"html/template"
	"log"
	"net/http"
	"net/mail"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/alexedwards/scs/v2"
	"github.com/workos/workos-go/v7"
	"golang.org/x/crypto/bcrypt"
)

var (
	latchkey   = cmp.Or(os.Getenv("LATCHKEY_URL"), "http://127.0.0.1:8787")
	apiKey     = os.Getenv("LATCHKEY_API_KEY")
	mfa        = workos.NewClient(apiKey, workos.WithBaseURL(latchkey)).MultiFactorAuth()
	templates  = template.Must(template.ParseFiles("pages.html"))
	sessions   = scs.New() // On the server. The cookie is HttpOnly and SameSite=Lax.
	users      sync.Map    // From email to user. Yours are in a database.
	ssoDomains = strings.Split(strings.ToLower(cmp.Or(os.Getenv("SSO_DOMAINS"), "sso.example")), ",")
)

// App is the ID of a factor. It and the IDs of challenges never leave the server.
type user struct{ ID, Email, Hash, App string }

// A page has the name of its template in pages.html, and what that shows.
type page struct {
	Title, Alert, Secret string
	QR                   template.URL
	User                 user
	RecoveryCodes        struct{ Codes []string }
}

func main() {
	if apiKey == "" {
		log.Fatal("LATCHKEY_API_KEY is not set: `cargo run` prints the key, and keeps it in .latchkey/api-key")
	}
	sessions.Cookie.Secure = os.Getenv("HTTPS") == "1"
	handle("/{$}", "Foo Corp", "", nil)
	handle("/signup", "Sign up", "", signUp)
	handle("/login", "Log in", "", logIn)
	handle("/logout", "Foo Corp", "", logOut)
	// In a session that is "pending", the password was right. Nothing but the second factor is open to it.
	handle("/login/code", "Enter your code", "pending", enterCode)
	handle("/account", "Two-factor login", "user", addApp)
	handle("/account/code", "Scan this QR code", "user", confirmApp)
	// Only POST changes anything, and a form of another site is refused: here, and by SameSite.
	protected := http.NewCrossOriginProtection().Handler(sessions.LoadAndSave(http.DefaultServeMux))
	address := "127.0.0.1:" + cmp.Or(os.Getenv("PORT"), "3000")
	log.Print("http://" + address)
	log.Fatal(http.ListenAndServe(address, http.MaxBytesHandler(protected, 1<<16)))
}

// handle shows a page to sessions that have a user in this state, or to all. A POST acts first, and may lead elsewhere.
func handle(path, title, state string, act func(*http.Request, *page) (next string, err error)) {
	http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		r.PostFormValue("") // Reads the body before the session is looked at: a client may send it late.
		p := page{Title: title, User: find(get(r, cmp.Or(state, "user")))}
		// A session that began before the user's app was set up or replaced has not seen a code of it.
		if p.User.App != get(r, "app") {
			p.User = user{}
		}
		next, err := "", error(nil)
		if state != "" && p.User.ID == "" {
			next = "/login"
		} else if act != nil && r.Method == http.MethodPost {
			next, err = act(r, &p)
		}
		if next != "" && err == nil {
			http.Redirect(w, r, next, http.StatusSeeOther)
			return
		}
		alert, status := explain(r, err)
		p.Alert, p.Secret, p.QR = alert, get(r, "secret"), template.URL(get(r, "qr"))
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		if err := templates.ExecuteTemplate(w, p.Title, p); err != nil {
			log.Print(err)
		}
	})
}

func get(r *http.Request, key string) string { return sessions.GetString(r.Context(), key) }

func find(email string) user {
	found, _ := users.Load(email)
	u, _ := found.(user)
	return u
}

// A refusal is an error that the user can do something about.
type refusal string

func (r refusal) Error() string { return string(r) }

const wrongCode = refusal("That code is wrong or was used before.")

// explain says what the user is told about an error, with the status of the page.
func explain(r *http.Request, err error) (alert string, status int) {
	var told refusal
	answer := &workos.APIError{}
	if err == nil || errors.As(err, &told) {
		return string(told), http.StatusOK
	}
	errors.As(err, &answer) // Without an answer of Latchkey there is no code.
	switch answer.Code {
	case "invalid_request_parameters": // Neither six digits nor a recovery code.
		return string(wrongCode), http.StatusOK
	case "one_time_code_too_many_attempts":
		sessions.Remove(r.Context(), "challenge") // No code can pass it any more.
		return "Too many wrong codes. Try again later.", http.StatusOK
	case "authentication_challenge_expired", "authentication_challenge_previously_verified":
		sessions.Remove(r.Context(), "challenge")
		return "That took too long. Enter the newest code.", http.StatusOK
	}
	log.Printf("failed: %T %s", err, answer.Code) // Not the message: it may have IDs.
	return "Something went wrong. Try again in a minute.", http.StatusServiceUnavailable
}

// emailOf refuses users of single sign-on: their company asks for the second factor, and once is enough.
func emailOf(r *http.Request) (string, error) {
	email := strings.ToLower(strings.TrimSpace(r.PostFormValue("email")))
	if address, err := mail.ParseAddress(email); err != nil || address.Address != email || len(email) > 254 {
		return "", refusal("Enter an email address.")
	} else if slices.Contains(ssoDomains, email[strings.LastIndex(email, "@")+1:]) {
		return "", refusal("Your company logs you in. Use its login page.")
	}
	return email, nil
}

func signUp(r *http.Request, _ *page) (string, error) {
	email, err := emailOf(r)
	if err != nil {
		return "", err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(r.PostFormValue("password")), bcrypt.DefaultCost)
	if err != nil || len(r.PostFormValue("password")) < 8 {
		return "", refusal("A password has at least 8 characters. At most 72.")
	}
	u := user{ID: "user_" + rand.Text(), Email: email, Hash: string(hash)}
	if _, taken := users.LoadOrStore(email, u); taken {
		return "", refusal("This email is taken.")
	}
	return "/account", enter(r, "user", u)
}

func (u user) passwordIs(password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(u.Hash), []byte(password)) == nil
}

func logIn(r *http.Request, _ *page) (string, error) {
	email, err := emailOf(r)
	u := find(email)
	if err != nil {
		return "", err
	} else if !u.passwordIs(r.PostFormValue("password")) {
		return "", refusal("Wrong email or password.")
	} else if u.App != "" {
		return "/login/code", enter(r, "pending", u)
	}
	return "/", enter(r, "user", u)
}

// enter empties the session and gives it a new ID, because someone may have planted the old one.
func enter(r *http.Request, state string, u user) error {
	err := errors.Join(sessions.Clear(r.Context()), sessions.RenewToken(r.Context()))
	sessions.Put(r.Context(), state, u.Email)
	sessions.Put(r.Context(), "app", u.App)
	return err
}

func logOut(r *http.Request, _ *page) (string, error) { return "/", sessions.Destroy(r.Context()) }

// verify returns nil only if the code in the form is right. The challenge is the session's, and so this user's.
func verify(r *http.Request) error {
	params := &workos.MultiFactorAuthVerifyChallengeParams{Code: strings.ReplaceAll(r.PostFormValue("code"), " ", "")}
	answer, err := mfa.VerifyChallenge(r.Context(), get(r, "challenge"), params)
	if err == nil && !answer.Valid { // A wrong code is not an error.
		return wrongCode
	}
	return err
}

func enterCode(r *http.Request, p *page) (string, error) {
	if get(r, "challenge") == "" {
		challenge, err := mfa.ChallengeFactor(r.Context(), p.User.App, nil)
		if err != nil {
			return "", err
		}
		sessions.Put(r.Context(), "challenge", challenge.ID)
	}
	if err := verify(r); err != nil {
		return "", err
	}
	return "/", enter(r, "user", p.User)
}

// addApp asks for the password again, because a stolen session must not change factors.
func addApp(r *http.Request, p *page) (string, error) {
	if !p.User.passwordIs(r.PostFormValue("password")) {
		return "", refusal("Wrong password.")
	}
	params := &workos.MultiFactorAuthCreateUserAuthFactorParams{Type: "totp", TOTPUser: &p.User.Email}
	params.TOTPIssuer = workos.String("Foo Corp")
	enrolled, err := mfa.CreateUserAuthFactor(r.Context(), p.User.ID, params)
	if err != nil {
		return "", err
	}
	// It waits in the session until the user has entered a code of it.
	sessions.Put(r.Context(), "new-app", enrolled.AuthenticationFactor.ID)
	sessions.Put(r.Context(), "secret", enrolled.AuthenticationFactor.TOTP.Secret)
	sessions.Put(r.Context(), "qr", enrolled.AuthenticationFactor.TOTP.QrCode)
	sessions.Put(r.Context(), "challenge", enrolled.AuthenticationChallenge.ID)
	return "/account/code", nil
}

// confirmApp makes the new app the user's, but only after a code of it, and deletes the one that it replaces.
func confirmApp(r *http.Request, p *page) (string, error) {
	if get(r, "challenge") == "" {
		return "/account", nil // This form was sent before, or the challenge is over.
	} else if err := verify(r); err != nil {
		return "", err
	}
	before := p.User
	p.User.App = get(r, "new-app")
	if !users.CompareAndSwap(before.Email, before, p.User) {
		return "/login", nil // Another session was faster.
	}
	err := errors.Join(enter(r, "user", p.User), showRecoveryCodes(r, p))
	if before.App != "" {
		err = errors.Join(err, mfa.DeleteFactor(r.Context(), before.App))
	}
	return "", err
}

// showRecoveryCodes creates codes that are accepted where the app's are, and shows them once.
func showRecoveryCodes(r *http.Request, p *page) error {
	url := latchkey + "/user_management/users/" + p.User.ID + "/recovery_codes" // The SDK has no method for it.
	body := strings.NewReader(`{"accept_on_challenges":true}`)
	request, err := http.NewRequestWithContext(r.Context(), "POST", url, body)
	if err != nil {
		return err
	}
	request.Header = http.Header{"Authorization": {"Bearer " + apiKey}, "Content-Type": {"application/json"}}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return errors.New(response.Status)
	}
	p.Title = "Recovery codes"
	return json.NewDecoder(response.Body).Decode(&p.RecoveryCodes)
}
