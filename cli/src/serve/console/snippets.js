// A request to the API, in the languages that people copy it in: through the official SDKs where there is a method for it.

import { session } from './api.js';

const js = (value) => `'${String(value).replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
const quoted = (value) => JSON.stringify(String(value));
const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
/** `{ type: 'sms', phoneNumber: '+1…' }` of pairs, without those that have no value. */
const given = (pairs) => pairs.filter(([, value]) => value !== undefined);
const id = (path) => path.split('/')[3];

function curl({ method, path, body }) {
  const lines = [`curl ${method === 'POST' ? '' : `-X ${method} `}${shell(session.url + path)}`];
  lines.push(`  -H ${shell(`Authorization: Bearer ${session.api_key}`)}`);
  if (body) lines.push(`  -H 'Content-Type: application/json'`, `  -d ${shell(JSON.stringify(body))}`);
  return lines.join(' \\\n');
}

function node({ operation, path, body }) {
  const { hostname, port } = new URL(session.url);
  const object = (pairs) => `{ ${given(pairs).map(([name, value]) => `${name}: ${js(value)}`).join(', ')} }`;
  const call = {
    enroll: () => {
      const options = [['type', body.type], ['issuer', body.totp_issuer], ['user', body.totp_user], ['phoneNumber', body.phone_number]];
      const about = body.user_id ? '// This method takes no user ID: store the ID of the factor with your user.\n' : '';
      return `${about}const factor = await workos.multiFactorAuth.enrollFactor(${object(options)});\nconsole.log(factor);`;
    },
    challenge: () => `const challenge = await workos.multiFactorAuth.challengeFactor(${object([
      ['authenticationFactorId', id(path)], ['smsTemplate', body.sms_template]])});\nconsole.log(challenge);`,
    verify: () => `const { valid } = await workos.multiFactorAuth.verifyChallenge(${object([
      ['authenticationChallengeId', id(path)], ['code', body.code]])});\nconsole.log(valid);`,
    delete: () => `await workos.multiFactorAuth.deleteFactor(${js(id(path))});`,
  }[operation] ?? (() => `// The SDK has no method for this route.\nconst { data } = await workos.post(${js(path)}, ${JSON.stringify(body)});\nconsole.log(data);`);
  return `// npm install @workos-inc/node
import { WorkOS } from '@workos-inc/node';

const workos = new WorkOS(${js(session.api_key)}, { apiHostname: ${js(hostname)}, port: ${port}, https: false });
${call()}`;
}

function python({ operation, path, body }) {
  const named = (pairs) => given(pairs).map(([name, value]) => `${name}=${quoted(value)}`);
  const call = {
    enroll: () => `factor = workos.multi_factor_auth.enroll_factor(\n    ${named([
      ['type', body.type], ['totp_issuer', body.totp_issuer], ['totp_user', body.totp_user],
      ['phone_number', body.phone_number], ['user_id', body.user_id]]).join(', ')},\n)\nprint(factor)`,
    challenge: () => `challenge = workos.multi_factor_auth.challenge_factor(${[
      quoted(id(path)), ...named([['sms_template', body.sms_template]])].join(', ')})\nprint(challenge)`,
    verify: () => `answer = workos.multi_factor_auth.verify_challenge(${quoted(id(path))}, code=${quoted(body.code)})\nprint(answer.valid)`,
    delete: () => `workos.multi_factor_auth.delete_factor(${quoted(id(path))})`,
  }[operation] ?? (() => {
    const parts = path.split('/').slice(1).map((part) => quoted(decodeURIComponent(part))).join(', ');
    const entries = Object.entries(body).map(([name, value]) => `${quoted(name)}: ${value === true ? 'True' : quoted(value)}`);
    return `# The SDK has no method for this route.\nanswer = workos.request_raw("post", (${parts}), body={${entries.join(', ')}})\nprint(answer)`;
  });
  return `# pip install workos
from workos import WorkOSClient

workos = WorkOSClient(
    api_key=${quoted(session.api_key)},
    client_id="latchkey",
    base_url=${quoted(session.url)},
)
${call()}`;
}

function go({ operation, method, path, body }) {
  if (operation.endsWith('recovery_codes') || operation.endsWith('recovery_code')) return goHttp(method, path, body);
  const pointer = (value) => value === undefined ? undefined : `workos.Ptr(${quoted(value)})`;
  const struct = (name, pairs) => `&workos.MultiFactorAuth${name}Params{\n${given(pairs)
    .map(([field, value]) => `\t\t${field}: ${value},\n`).join('')}\t}`;
  const [result, call] = {
    enroll: () => ['factor', `EnrollFactor(ctx, ${struct('EnrollFactor', [
      ['Type', quoted(body.type)], ['TOTPIssuer', pointer(body.totp_issuer)], ['TOTPUser', pointer(body.totp_user)],
      ['PhoneNumber', pointer(body.phone_number)], ['UserID', pointer(body.user_id)]])})`],
    challenge: () => ['challenge', `ChallengeFactor(ctx, ${quoted(id(path))}, ${struct('ChallengeFactor', [
      ['SmsTemplate', pointer(body.sms_template)]])})`],
    verify: () => ['answer', `VerifyChallenge(ctx, ${quoted(id(path))}, ${struct('VerifyChallenge', [
      ['Code', quoted(body.code)]])})`],
    delete: () => ['', `DeleteFactor(ctx, ${quoted(id(path))})`],
  }[operation]();
  const assign = result ? `${result}, err :=` : 'err :=';
  return `// go get github.com/workos/workos-go/v7
package main

import (
	"context"
	"fmt"
	"log"

	workos "github.com/workos/workos-go/v7"
)

func main() {
	ctx := context.Background()
	client := workos.NewClient(${quoted(session.api_key)}, workos.WithBaseURL(${quoted(session.url)}))
	${assign} client.MultiFactorAuth().${call}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(${result || '"deleted"'})
}`;
}

/** A request that the SDK has no method for. */
const goHttp = (method, path, body) => `package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
)

func main() {
	body := strings.NewReader(${quoted(JSON.stringify(body))})
	request, err := http.NewRequest(${quoted(method)}, ${quoted(session.url + path)}, body)
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Authorization", ${quoted(`Bearer ${session.api_key}`)})
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.StatusCode, string(answer))
}`;

const json = ({ method, path, body }) => `${method} ${path}${body ? `\n\n${JSON.stringify(body, null, 2)}` : ''}`;

/** Each language with what writes a request in it. */
export const LANGUAGES = { curl, Node: node, Python: python, Go: go, JSON: json };
