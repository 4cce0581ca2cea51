"""A Lambda function as a team would write it on Python: the runtime's loop, boto3, pyotp and segno.

It does what ../node/function.mjs does, and lacks the same.
"""

import http.client
import json
import os
import time
import uuid

import boto3
import pyotp
import segno

TABLE = os.environ["LATCHKEY_TABLE"]
dynamodb = boto3.client("dynamodb")


def key(factor_id):
    return {"pk": {"S": f"peer/{factor_id}"}, "sk": {"S": "factor"}}


def enroll(body):
    factor_id, secret = str(uuid.uuid4()), pyotp.random_base32()
    uri = pyotp.TOTP(secret).provisioning_uri(name=body["totp_user"], issuer_name=body["totp_issuer"])
    qr_code = segno.make(uri).png_data_uri(scale=4)
    dynamodb.put_item(TableName=TABLE, Item={**key(factor_id), "secret": {"S": secret}})
    return {"id": factor_id, "totp": {"secret": secret, "uri": uri, "qr_code": qr_code}}


def verify(factor_id, body):
    item = dynamodb.get_item(TableName=TABLE, Key=key(factor_id), ConsistentRead=True)["Item"]
    valid = pyotp.TOTP(item["secret"]["S"]).verify(body["code"], valid_window=1)
    dynamodb.update_item(
        TableName=TABLE,
        Key=key(factor_id),
        UpdateExpression="SET last_step = :step ADD attempts :one",
        ExpressionAttributeValues={":step": {"N": str(int(time.time()) // 30)}, ":one": {"N": "1"}},
    )
    return {"valid": valid}


def handle(event):
    body, path = json.loads(event["body"]), event["rawPath"]
    answer = verify(path.split("/")[3], body) if path.endswith("/verify") else enroll(body)
    return {"statusCode": 201, "headers": {"content-type": "application/json"}, "body": json.dumps(answer)}


runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    runtime.request("GET", "/2018-06-01/runtime/invocation/next")
    response = runtime.getresponse()
    request_id, event = response.headers["lambda-runtime-aws-request-id"], json.loads(response.read())
    runtime.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", json.dumps(handle(event)))
    runtime.getresponse().read()
