// The Kotlin SDK, through its own methods as Java sees them.
//
// Prints a line for each operation: the version, the column of docs/COMPATIBILITY.md, what came of it, and why.
// ../table.py reads them.

import com.workos.WorkOS;
import com.workos.common.exceptions.WorkOSException;
import com.workos.models.AuthenticationChallenge;
import com.workos.models.AuthenticationFactor;
import com.workos.models.AuthenticationFactorEnrolled;
import com.workos.multifactorauth.MultiFactorAuth;
import com.workos.types.AuthenticationFactorsCreateRequestType;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedList;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.LongStream;
import java.util.stream.StreamSupport;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Matrix {
  static final String URL = System.getenv("LATCHKEY_URL");
  static final String KEY = System.getenv("LATCHKEY_API_KEY");
  static final HttpClient HTTP = HttpClient.newHttpClient();
  static final MultiFactorAuth MFA = mfa(KEY);

  interface Operation {
    void run() throws Exception;
  }

  /** This version has no such method. */
  static class Absent extends RuntimeException {}

  static MultiFactorAuth mfa(String key) {
    return WorkOS.builder().apiKey(key).clientId("client_test").apiBaseUrl(URL).build().getMultiFactorAuth();
  }

  // The server: its clock, its outbox, and requests without an SDK.

  /** The answer to a request without an SDK; a body makes it a POST. */
  static String ask(String path, String body) throws Exception {
    var request = HttpRequest.newBuilder(URI.create(URL + path)).header("Authorization", "Bearer " + KEY);
    if (body != null) {
      request.header("Content-Type", "application/json").POST(HttpRequest.BodyPublishers.ofString(body));
    }
    var answer = HTTP.send(request.build(), BodyHandlers.ofString());
    check(answer.statusCode() < 300, path + ": " + answer.statusCode());
    return answer.body();
  }

  /** What a pattern's group finds in a text, each time. */
  static List<String> all(String pattern, String text) {
    return Pattern.compile(pattern).matcher(text).results().map(found -> found.group(1)).toList();
  }

  static String first(String pattern, String text) {
    Matcher found = Pattern.compile(pattern).matcher(text);
    check(found.find(), "nothing like " + pattern);
    return found.group(1);
  }

  static List<String> textsTo(String phone) throws Exception {
    List<String> texts = new ArrayList<>();
    for (String message : all("(\\{[^{}]*(?:\\{\\{code\\}\\}[^{}]*)*\\})", ask("/_dev/sms", null))) {
      if (message.contains("\"" + phone + "\"")) texts.add(first("\"message\":\"([^\"]*)\"", message));
    }
    return texts;
  }

  static int phones = 100;

  /** A number to which no message was sent. */
  static String newPhone() throws Exception {
    String phone;
    do phone = "+1617555%04d".formatted(phones++);
    while (!textsTo(phone).isEmpty());
    return phone;
  }

  static String newUser() {
    return "user_" + UUID.randomUUID();
  }

  static String rawEnroll(String user) throws Exception {
    String enrolled = ask("/user_management/users/" + user + "/auth_factors", "{\"type\":\"totp\",\"name\":\"Home phone\"}");
    return first("\"id\":\"(auth_factor_[^\"]*)\"", enrolled);
  }

  /** A TOTP factor with every field that an answer can have: it has a name and was verified once. Made without an SDK. */
  static String usedTotp(String user) throws Exception {
    String body = """
        {"type":"totp","totp_issuer":"Foo Corp","totp_user":"alan","user_id":"%s","name":"Work phone"}""";
    String factor = ask("/auth/factors/enroll", body.formatted(user));
    String id = first("\"id\":\"(auth_factor_[^\"]*)\"", factor);
    String challenge = first("\"id\":\"(auth_challenge_[^\"]*)\"", ask("/auth/factors/" + id + "/challenge", "{}"));
    String code = totpCode(first("\"secret\":\"([^\"]*)\"", factor), 0);
    ask("/auth/challenges/" + challenge + "/verify", "{\"code\":\"%s\"}".formatted(code));
    String shown = ask("/auth/factors/" + id, null);
    check(shown.contains("\"name\":\"Work phone\"") && shown.contains("\"last_used_at\":"), "no name or no last_used_at");
    return id;
  }

  /** The code of a secret (RFC 6238), `steps` from the server's current one. */
  static String totpCode(String secret, long steps) throws Exception {
    var bits = new StringBuilder();
    for (char letter : secret.toCharArray()) {
      int value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter);
      bits.append(Integer.toBinaryString(32 + value).substring(1));
    }
    byte[] key = new byte[bits.length() / 8];
    for (int i = 0; i < key.length; i++) key[i] = (byte) Integer.parseInt(bits.substring(8 * i, 8 * i + 8), 2);
    long now = Instant.parse(first("\"now\":\"([^\"]*)\"", ask("/_dev/clock", null))).getEpochSecond();
    Mac mac = Mac.getInstance("HmacSHA1");
    mac.init(new SecretKeySpec(key, "HmacSHA1"));
    byte[] sum = mac.doFinal(java.nio.ByteBuffer.allocate(8).putLong(now / 30 + steps).array());
    int number = java.nio.ByteBuffer.wrap(sum).getInt(sum[19] & 15) & 0x7fffffff;
    return "%06d".formatted(number % 1_000_000);
  }

  /** A code of none of the steps the server may accept, nor of the next, should one begin meanwhile. */
  static String wrongCode(String secret) throws Exception {
    Set<String> near = new HashSet<>();
    for (long steps : LongStream.rangeClosed(-2, 3).toArray()) near.add(totpCode(secret, steps));
    return "0123456".chars().mapToObj(digit -> Character.toString(digit).repeat(6))
        .filter(code -> !near.contains(code)).findFirst().get();
  }

  // Checks.

  static void check(boolean is, String why) {
    if (!is) throw new AssertionError(why);
  }

  /** The call has to throw an error of that status and code. */
  static void refused(int status, String code, Operation call) throws Exception {
    try {
      call.run();
    } catch (WorkOSException error) {
      String found = error.status + " " + error.code;
      check(found.equals(status + " " + code), found + ": " + error.getMessage());
      return;
    }
    throw new AssertionError("the call succeeded");
  }

  static AuthenticationFactorEnrolled enrollTotp(MultiFactorAuth mfa) {
    return mfa.enrollFactor(AuthenticationFactorsCreateRequestType.Totp, null, "Foo Corp", "alan@foo-corp.com");
  }

  static AuthenticationFactorEnrolled enrollSms(String phone) {
    return MFA.enrollFactor(AuthenticationFactorsCreateRequestType.Sms, phone);
  }

  static boolean valid(AuthenticationChallenge challenge, String code) {
    return MFA.verifyChallenge(challenge.getId(), code).getValid();
  }

  /** A challenge of a new TOTP factor, and its right code. */
  record Login(AuthenticationFactorEnrolled factor, AuthenticationChallenge challenge, String code) {}

  static Login login() throws Exception {
    var factor = enrollTotp(MFA);
    return new Login(factor, MFA.challengeFactor(factor.getId()), totpCode(factor.getTotp().getSecret(), 0));
  }

  static List<String> ids(Iterable<AuthenticationFactor> factors) {
    return StreamSupport.stream(factors.spliterator(), false).map(AuthenticationFactor::getId).toList();
  }

  static final Operation[] COLUMNS = {
    () -> { // 1
      var totp = enrollTotp(MFA).getTotp();
      check(totp.getIssuer().equals("Foo Corp") && totp.getUser().equals("alan@foo-corp.com"), totp.getIssuer());
      check(totp.getSecret().matches("[A-Z2-7]{32}"), "the secret's form");
      check(totp.getUri().startsWith("otpauth://totp/Foo%20Corp:"), "the URI's form");
      check(totp.getQrCode().startsWith("data:image/png;base64,iVBORw0KGgo"), "the QR code is no data: URI");
    },
    () -> { // 2
      String phone = newPhone();
      check(enrollSms(phone).getSms().getPhoneNumber().equals(phone), "another number");
    },
    () -> { // 3
      var factor = MFA.enrollFactor(AuthenticationFactorsCreateRequestType.GenericOtp);
      var challenge = MFA.challengeFactor(factor.getId());
      check(challenge.getCode().matches("[0-9]{6}"), "no code");
      check(valid(challenge, challenge.getCode()), "its code is not valid");
    },
    () -> { // 4
      String id = usedTotp(newUser());
      var factor = MFA.getFactor(id);
      check(factor.getId().equals(id) && factor.getTotp().getIssuer().equals("Foo Corp"), factor.getId());
    },
    () -> { // 5
      Login login = login();
      var challenge = login.challenge;
      check(challenge.getAuthenticationFactorId().equals(login.factor.getId()), "another factor's");
      var lifetime = Duration.between(challenge.getCreatedAt(), challenge.getExpiresAt());
      check(lifetime.equals(Duration.ofMinutes(10)) && challenge.getCode() == null, lifetime.toString());
    },
    () -> { // 6
      String phone = newPhone();
      var challenge = MFA.challengeFactor(enrollSms(phone).getId(), "Foo Corp: {{code}} is your code");
      var texts = textsTo(phone);
      check(texts.size() == 1 && texts.get(0).matches("Foo Corp: [0-9]{6} is your code"), texts.size() + " texts");
      check(valid(challenge, first("([0-9]{6})", texts.get(0))), "its code is not valid");
    },
    () -> { // 7
      Login login = login();
      check(!valid(login.challenge, wrongCode(login.factor.getTotp().getSecret())), "a wrong code is valid");
    },
    () -> { // 8
      Login login = login();
      var answer = MFA.verifyChallenge(login.challenge.getId(), login.code);
      check(answer.getValid() && answer.getChallenge().getId().equals(login.challenge.getId()), "not valid");
    },
    () -> { // 9
      Login login = login();
      check(valid(login.challenge, login.code), "the right code is not valid");
      refused(422, "authentication_challenge_previously_verified", () -> valid(login.challenge, login.code));
    },
    () -> { // 10
      Login login = login();
      String wrong = wrongCode(login.factor.getTotp().getSecret());
      for (int n = 0; n < 5; n++) check(!valid(login.challenge, wrong), "a wrong code is valid");
      refused(400, "one_time_code_too_many_attempts", () -> valid(login.challenge, login.code));
    },
    () -> { // 11
      String phone = newPhone();
      var challenge = MFA.challengeFactor(enrollSms(phone).getId());
      ask("/_dev/clock", "{\"advance_seconds\":600}");
      String code = first("([0-9]{6})", textsTo(phone).get(0));
      refused(422, "authentication_challenge_expired", () -> valid(challenge, code));
    },
    () -> refused(422, "invalid_phone_number", () -> enrollSms("foo")), // 12
    () -> { // 13
      refused(404, "entity_not_found", () -> MFA.challengeFactor("auth_factor_01FZ4TS0MWPZR7GATS7KCXANQZ"));
      String challenge = "auth_challenge_01FZ4TS0MWPZR7GATS7KCXANQZ";
      refused(404, "entity_not_found", () -> MFA.verifyChallenge(challenge, "123456"));
    },
    () -> refused(401, "unauthorized", () -> enrollTotp(mfa("sk_local_wrong"))), // 14
    () -> { // 15
      String id = enrollTotp(MFA).getId();
      MFA.deleteFactor(id);
      refused(404, "entity_not_found", () -> MFA.getFactor(id));
    },
    () -> { // 16
      String secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
      var enrolled = MFA.createUserAuthFactor(newUser(), "totp", "Foo Corp", "alan", secret);
      check(enrolled.getAuthenticationFactor().getTotp().getSecret().equals(secret), "the imported secret was not kept");
      check(valid(enrolled.getAuthenticationChallenge(), totpCode(secret, 0)), "the right code is not valid");
    },
    () -> { // 17
      String user = newUser();
      LinkedList<String> ids = new LinkedList<>();
      for (int n = 0; n < 3; n++) ids.addFirst(rawEnroll(user));
      String sms = "{\"type\":\"sms\",\"phone_number\":\"%s\",\"user_id\":\"%s\"}";
      ask("/auth/factors/enroll", sms.formatted(newPhone(), user));
      var page = MFA.listUserAuthFactors(user, null, null, 2);
      check(page.data.size() == 2, page.data.size() + " factors on a page of 2");
      check(ids(page.autoPagingIterable()).equals(ids), "other factors");
    },
    () -> { // 18
      String user = newUser();
      for (int n = 0; n < 101; n++) rawEnroll(user);
      var ids = ids(MFA.listUserAuthFactors(user).autoPagingIterable());
      check(new HashSet<>(ids).size() == 101, ids.size() + " factors");
    },
    () -> { // 19: this version does not call the legacy routes
      throw new Absent();
    },
    () -> { // 20
      String user = newUser(), factor = usedTotp(user);
      String created = ask("/user_management/users/" + user + "/recovery_codes", "{\"accept_on_challenges\":true}");
      String code = first("\"codes\":\\[\"([^\"]*)\"", created);
      for (boolean valid : new boolean[] {true, false}) {
        var challenge = MFA.challengeFactor(factor);
        var answer = MFA.verifyChallenge(challenge.getId(), code);
        check(answer.getValid() == valid, "the verdict is not " + valid);
        check(answer.getChallenge().getId().equals(challenge.getId()), "another challenge");
      }
    },
  };

  public static void main(String[] arguments) {
    for (int column = 1; column <= COLUMNS.length; column++) {
      String outcome = "passed", why = "";
      try {
        COLUMNS[column - 1].run();
      } catch (Absent absent) {
        outcome = "absent";
      } catch (Exception | AssertionError | LinkageError error) {
        outcome = "failed";
        why = (error.getClass().getSimpleName() + ": " + error.getMessage()).replaceAll("\\s+", " ");
      }
      System.out.println("kotlin-" + arguments[0] + "\t" + column + "\t" + outcome + "\t" + why);
    }
    // The SDK's HTTP client keeps threads.
    System.exit(0);
  }
}
