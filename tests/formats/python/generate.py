"""Writes what privacyIDEA, otpa (an encoder of Google Authenticator's exports) and pyotp export, with their own code."""

import os
import subprocess
import sys
from pathlib import Path

import pyotp
from otpa.migration import otpauth_link_to_params, params_to_migration

OUT, WORK = Path(sys.argv[1]), Path(sys.argv[2])
KEY = "3132333435363738393031323334353637383930"
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


def privacyidea():
    """A server with five users and six tokens, and its own command that exports them."""
    config = WORK / "pi.cfg"
    config.write_text(
        f"SQLALCHEMY_DATABASE_URI = 'sqlite:///{WORK}/pi.sqlite'\nPI_ENCFILE = '{WORK}/enckey'\nSECRET_KEY = 'x'\n"
        "PI_PEPPER = 'x'\nPI_AUDIT_NO_SIGN = True\nPI_AUDIT_MODULE = 'privacyidea.lib.auditmodules.base'\nPI_LOGLEVEL = 40\n"
    )
    os.environ["PRIVACYIDEA_CONFIGFILE"] = str(config)
    bin_dir = Path(sys.executable).parent
    for step in ["create_enckey", "create_tables"]:
        subprocess.run([bin_dir / "pi-manage", "setup", step], check=True, stdout=subprocess.DEVNULL)

    from privacyidea.app import create_app
    from privacyidea.lib.realm import set_realm
    from privacyidea.lib.resolver import save_resolver
    from privacyidea.lib.token import init_token
    from privacyidea.lib.user import User

    passwd = WORK / "passwd"
    names = ["alice", "bob", "carol", "dave", "erin"]
    passwd.write_text("".join(f"{name}:x:{1000 + n}:1000:{name},,,,:/:/bin/sh\n" for n, name in enumerate(names)))
    with create_app(config_name="production", config_file=str(config), silent=True).app_context():
        save_resolver({"resolver": "users", "type": "passwdresolver", "fileName": str(passwd)})
        set_realm("shop", [{"name": "users"}])
        for serial, user, more in [
            ("TOTP0001", "alice", {"type": "totp", "otpkey": KEY}),
            ("TOTP0002", "bob", {"type": "totp", "otpkey": KEY, "otplen": 8}),
            ("TOTP0003", "carol", {"type": "totp", "otpkey": KEY, "timeStep": 60}),
            ("TOTP0004", "dave", {"type": "totp", "otpkey": "0f1e2d3c" * 8, "hashlib": "sha256"}),
            ("HOTP0005", "erin", {"type": "hotp", "otpkey": KEY}),
            ("TOTP0006", None, {"type": "totp", "otpkey": KEY}),
        ]:
            init_token({"serial": serial, **more}, user=User(user, "shop") if user else None)
    export = ["find", "export", "--format", "csv", "--file", OUT / "privacyidea.csv"]
    subprocess.run([bin_dir / "pi-tokenjanitor", *export], check=True, stdout=subprocess.DEVNULL)


def google():
    """Two QR codes, as Google Authenticator splits an export."""
    uri = lambda name, more="": f"otpauth://totp/{name}?secret={SECRET}&issuer=Foo%20%26%20Corp{more}"
    links = [
        uri("Foo%20%26%20Corp:alice@example.com"),
        uri("j%C3%BCrgen%20b"),
        uri("carol", "&algorithm=SHA256"),
        uri("dave", "&digits=8"),
        f"otpauth://hotp/erin?secret={SECRET}&counter=7",
    ]
    codes = params_to_migration([otpauth_link_to_params(link) for link in links], batch_id=123456, batch_size=3)
    (OUT / "google.txt").write_text("\n".join(codes) + "\n")


def otpauth():
    totp = lambda secret, **more: pyotp.TOTP(secret, **more)
    uris = [
        totp(SECRET).provisioning_uri("alice@example.com", "Foo & Corp"),
        totp("JBSWY3DPEHPK3PXP").provisioning_uri("jürgen b", "Foo & Corp"),
        totp(SECRET, digits=8).provisioning_uri("carol", "Foo & Corp"),
        totp(SECRET, interval=60).provisioning_uri("dave", "Foo & Corp"),
        pyotp.HOTP(SECRET).provisioning_uri("erin", "Foo & Corp"),
    ]
    (OUT / "otpauth-pyotp.txt").write_text("\n".join(uris) + "\n")


google()
otpauth()
privacyidea()
