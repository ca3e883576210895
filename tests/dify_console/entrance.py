"""Setting up, signing in, and who may do what."""

import base64
import re
from collections.abc import Callable

from tests.dify_console.state import WRONG_PASSWORDS, Dify, User, new_id
from tests.dify_console.web import Call, RefusedError, Reply


def setup_state(call: Call) -> Reply:
    return Reply({"step": "finished" if call.dify.users else "not_started", "setup_at": None})


def init_state(call: Call) -> Reply:
    passed = not call.dify.init_password or call.cookies().get("session") in call.dify.validated or call.dify.users
    return Reply({"status": "finished" if passed else "not_started"})


def init(call: Call) -> Reply:
    if call.dify.users:
        raise RefusedError(403, "already_setup", "Dify has been successfully installed.")
    given = call.body("password")["password"]
    if len(given) > 30:
        raise call.misused("INIT_PASSWORD has at most 30 characters")
    if given != call.dify.init_password:
        raise RefusedError(401, "init_validate_failed", "Init validation failed.")
    session = new_id()
    call.dify.validated.add(session)
    return Reply({"result": "success"}, 201, {"session": session})


def setup(call: Call) -> Reply:
    if call.dify.users:
        raise RefusedError(403, "already_setup", "Dify has been successfully installed.")
    if call.dify.init_password and call.cookies().get("session") not in call.dify.validated:
        raise RefusedError(401, "not_init_validated", "Init validation has not been completed yet.")
    body = call.body("email name password", "language")
    if not re.fullmatch(r"(?=.*[a-zA-Z])(?=.*\d).{8,}", body["password"]):
        raise call.misused("a password has 8 characters, letters and digits")
    call.dify.users.append(User(**body))
    return Reply({"result": "success"}, 201)


def login(call: Call) -> Reply:
    dify = call.dify
    if not dify.users:
        raise RefusedError(401, "not_setup", "Dify has not been initialized and installed yet.")
    body = call.body("email password", "remember_me")
    if dify.wrong.get(body["email"], 0) >= WRONG_PASSWORDS:
        raise RefusedError(429, "email_code_login_limit", "Too many incorrect password attempts.")
    password = _decoded(dify, body["password"])
    user = next((user for user in dify.users if user.email == body["email"]), None)
    if user is not None and user.status == "banned":
        raise RefusedError(403, "account_banned", "Account is banned.")
    if user is None or user.password != password:
        dify.wrong[body["email"]] = dify.wrong.get(body["email"], 0) + 1
        raise RefusedError(401, "authentication_failed", "Invalid email or password.")
    dify.wrong.pop(user.email, None)
    return _tokens(dify, user)


def _decoded(dify: Dify, password: str) -> str:
    if dify.passwords == "plain":
        return password
    try:
        return base64.b64decode(password).decode()
    except ValueError:  # refused before it counts
        raise RefusedError(401, "authentication_failed", "Invalid encrypted data") from None


def refresh(call: Call) -> Reply:
    token = (
        call.body("refresh_token")["refresh_token"]
        if call.dify.tokens == "body"
        else call.cookies().get(_named(call.dify, "refresh_token"), "")
    )
    user = call.dify.refresh_tokens.pop(token, None)
    if user is None:
        return Reply({"result": "fail", "message": "Invalid refresh token"}, 401)
    return _tokens(call.dify, user)


def _tokens(dify: Dify, user: User) -> Reply:
    access, renewal = f"access-{new_id()}", f"refresh-{new_id()}"
    dify.sessions[access] = dify.refresh_tokens[renewal] = user
    if dify.tokens == "body":
        return Reply({"result": "success", "data": {"access_token": access, "refresh_token": renewal}})
    values = {"access_token": access, "refresh_token": renewal, "csrf_token": f"csrf-{access}"}
    return Reply({"result": "success"}, cookies={_named(dify, name): value for name, value in values.items()})


def _named(dify: Dify, cookie: str) -> str:
    return f"__Host-{cookie}" if dify.https else cookie


def who(call: Call) -> User:
    """Who calls: by cookies and the CSRF header, by a token, by the admin key; refused else."""
    dify = call.dify
    if not dify.users:
        raise RefusedError(401, "not_setup", "Dify has not been initialized and installed yet.")
    if dify.admin_key and call.bearer() == dify.admin_key and call.headers.get("x-workspace-id") == dify.workspace:
        return next(user for user in dify.users if user.role == "owner")
    if dify.tokens == "body":
        user = dify.sessions.get(call.bearer())
    else:
        cookies = call.cookies()
        access, csrf = (cookies.get(_named(dify, name), "") for name in ("access_token", "csrf_token"))
        if access and not call.headers.get("x-csrf-token"):
            raise call.misused("cookies without the header X-CSRF-Token")
        user = dify.sessions.get(access)
        if user is not None and (call.headers.get("x-csrf-token") != csrf or csrf != f"csrf-{access}"):
            raise RefusedError(401, "unauthorized", "CSRF token is missing or invalid.")
    if user is None:
        raise RefusedError(401, "unauthorized", "Unauthorized.")
    return user


def may(*roles: str) -> Callable[[Call], None]:
    """A guard that lets these roles pass."""

    def guard(call: Call) -> None:
        if who(call).role not in roles:
            raise RefusedError(403, "forbidden", "You don't have the permission to access the requested resource.")

    return guard


def workspace(call: Call) -> Reply:
    return Reply({"id": call.dify.workspace, "name": "acme", "role": who(call).role, "plan": "basic"})
