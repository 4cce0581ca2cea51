// A login with a second factor: net/http, the official WorkOS SDK, and Latchkey in the place of WorkOS.
// This file is an ordinary application with passwords. factors.go adds the second factor.
package main

import (
	"cmp"
	"crypto/rand"
	"embed"
	"encoding/gob"
	"errors"
	"html/template"
	"log"
	"net/http"
	"net/mail"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	"golang.org/x/crypto/bcrypt"
)

var (
	//go:embed pages.html
	files      embed.FS
	pages      = template.Must(template.ParseFS(files, "pages.html"))
	sessions   = scs.New() // On the server. The cookie is HttpOnly and SameSite=Lax.
	users      sync.Map    // From email to user. Yours are in a database.
	noHash, _  = bcrypt.GenerateFromPassword([]byte(rand.Text()), bcrypt.DefaultCost)
	ssoDomains = strings.Split(cmp.Or(os.Getenv("SSO_DOMAINS"), "sso.example"), ",")
)

// App and Phone are IDs of factors. These and the IDs of challenges never leave the server.
type user struct{ ID, Email, Hash, App, Phone string }

// An enrollment is a factor that waits in the session for a code. An app has a secret, a phone has none.
type enrollment struct {
	Factor, Secret string
	QR             template.URL
}

// A page is a template of pages.html, which has its title for a name, and what it shows.
type page struct {
	Title, Status string
	Alert         alert
	User          user
	Enrollment    enrollment
	Left          int
	RecoveryCodes []string
}

// An action does what a form asks for, and returns the next page. Its error is shown on the page of the form.
type action func(r *http.Request, p *page) (next string, err error)

func main() {
	if apiKey == "" {
		log.Fatal("LATCHKEY_API_KEY is not set: `cargo run` prints the key, and keeps it in .latchkey/api-key")
	}
	gob.Register(enrollment{})
	sessions.Cookie.Secure = os.Getenv("HTTPS") == "1"
	mux := http.NewServeMux()
	handle := func(path, state, title string, act action) {
		mux.HandleFunc("GET "+path, handler(state, title, nil))
		mux.HandleFunc("POST "+path, handler(state, title, act))
	}
	handle("/{$}", "", "Foo Corp", nil)
	handle("/signup", "", "Sign up", signUp)
	handle("/login", "", "Log in", logIn)
	handle("/logout", "", "Foo Corp", logOut)
	// In a session that is "pending", the password was right. Nothing but the second factor is open to it.
	handle("/login/code", "pending", "Enter your code", enterCode)
	handle("/login/text", "pending", "Enter your code", textCode)
	handle("/login/recovery", "pending", "Enter your code", enterRecoveryCode)
	handle("/account", "user", "Two-factor login", nil)
	handle("/account/app", "user", "Two-factor login", withPassword(addApp))
	handle("/account/phone", "user", "Two-factor login", withApp(addPhone))
	handle("/account/recovery", "user", "Two-factor login", withApp(createRecoveryCodes))
	handle("/account/app/code", "user", "Scan this QR code", confirm)
	handle("/account/phone/code", "user", "Confirm your phone", confirm)
	// Only POST changes anything, and a form of another site is refused: here, and by SameSite.
	protected := http.NewCrossOriginProtection().Handler(sessions.LoadAndSave(mux))
	address := "127.0.0.1:" + cmp.Or(os.Getenv("PORT"), "3000")
	limited := http.MaxBytesHandler(protected, 1<<16)
	server := http.Server{Addr: address, Handler: limited, ReadTimeout: time.Minute}
	log.Print("http://" + address)
	log.Fatal(server.ListenAndServe())
}

// handler serves sessions that have a user in this state, or everyone.
func handler(state, title string, act action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p := page{Title: title, User: find(sessions.GetString(r.Context(), cmp.Or(state, "user")))}
		// A session that began before the user's app was set up or replaced has not seen a code of it.
		if p.User.App != sessions.GetString(r.Context(), "app") {
			p.User = user{}
		}
		next, err := "", error(nil)
		if state != "" && p.User.ID == "" {
			next = "/login"
		} else if act != nil {
			next, err = act(r, &p)
		}
		if next != "" && err == nil {
			http.Redirect(w, r, next, http.StatusSeeOther)
			return
		}
		p.Alert = explain(r, err)
		p.Status = sessions.PopString(r.Context(), "status")
		p.Enrollment, _ = sessions.Get(r.Context(), "enrollment").(enrollment)
		confirms := p.Title == "Scan this QR code" || p.Title == "Confirm your phone"
		if confirms && !sessions.Exists(r.Context(), "challenge") {
			p.Title = "Two-factor login" // There is nothing to confirm, or not any more.
		}
		if p.Title == "Two-factor login" {
			p.Left, err = recoveryCodesLeft(r, p.User)
			p.Alert = cmp.Or(p.Alert, explain(r, err))
		}
		w.Header().Set("Cache-Control", "no-store")
		if p.Alert == unavailable {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		if err := pages.ExecuteTemplate(w, p.Title, p); err != nil {
			log.Print(err)
		}
	}
}

func find(email string) user {
	found, _ := users.Load(email)
	u, _ := found.(user)
	return u
}

// hasPassword takes as long for a user who does not exist.
func (u user) hasPassword(r *http.Request) bool {
	hash := []byte(cmp.Or(u.Hash, string(noHash)))
	return bcrypt.CompareHashAndPassword(hash, []byte(r.PostFormValue("password"))) == nil
}

// emailOf refuses users of single sign-on: their company asks for the second factor, and once is enough.
func emailOf(r *http.Request) (string, error) {
	email := strings.ToLower(strings.TrimSpace(r.PostFormValue("email")))
	if slices.Contains(ssoDomains, email[strings.LastIndex(email, "@")+1:]) {
		return "", alert("Your company logs you in. Use its login page.")
	}
	return email, nil
}

func signUp(r *http.Request, _ *page) (string, error) {
	email, err := emailOf(r)
	if err != nil {
		return "", err
	}
	if address, err := mail.ParseAddress(email); err != nil || address.Address != email || len(email) > 254 {
		return "", alert("Enter an email address.")
	}
	password := r.PostFormValue("password")
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if len([]rune(password)) < 8 {
		return "", alert("A password has at least 8 characters.")
	} else if err != nil {
		return "", alert("A password has at most 72 bytes.")
	}
	u := user{ID: "user_" + rand.Text(), Email: email, Hash: string(hash)}
	if _, taken := users.LoadOrStore(email, u); taken {
		return "", alert("This email is taken.")
	}
	return "/account", enter(r, "user", u)
}

func logIn(r *http.Request, _ *page) (string, error) {
	email, err := emailOf(r)
	if err != nil {
		return "", err
	}
	u := find(email)
	if !u.hasPassword(r) {
		return "", alert("Wrong email or password.")
	}
	if u.App == "" {
		return "/", enter(r, "user", u)
	}
	return "/login/code", enter(r, "pending", u)
}

// enter empties the session and gives it a new ID, because someone may have planted the old one.
func enter(r *http.Request, state string, u user) error {
	err := errors.Join(sessions.Clear(r.Context()), sessions.RenewToken(r.Context()))
	sessions.Put(r.Context(), state, u.Email)
	sessions.Put(r.Context(), "app", u.App)
	return err
}

func logOut(r *http.Request, _ *page) (string, error) {
	return "/", sessions.Destroy(r.Context())
}
