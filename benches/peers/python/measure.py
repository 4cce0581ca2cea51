"""What an enrollment costs on Python without a table: pyotp and segno. Prints microseconds as JSON, one list per operation."""

import json
import sys
import time

import pyotp
import segno


def times(operation, runs):
    microseconds = []
    for run in range(runs + 20):
        start = time.perf_counter_ns()
        result = operation()
        if run >= 20:
            microseconds.append((time.perf_counter_ns() - start) / 1000)
    return {"microseconds": microseconds, "characters": len(result)}


def image(uri):
    return segno.make(uri).png_data_uri(scale=4)


def enroll():
    return image(pyotp.TOTP(pyotp.random_base32()).provisioning_uri(name="alice@example.com", issuer_name="Foo Corp"))


uri, runs = sys.argv[1], int(sys.argv[2])
print(json.dumps({"qr": times(lambda: image(uri), runs), "enroll": times(enroll, runs)}))
