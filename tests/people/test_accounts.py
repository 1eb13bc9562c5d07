"""Sign-up, sign-in, sign-out and a lost password, through the pages a person sees."""

import re

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from people.models import Role, User

NEW = {"username": "grace", "email": "grace@example.org", "password1": "nanoseconds-of-wire"}


def test_a_taken_name_is_refused_whatever_its_case(client: Client, ada: User) -> None:
    response = client.post(reverse("account_signup"), {**NEW, "username": "ADA"})

    assert "A user with that username already exists" in response.content.decode()
    assert User.objects.count() == 1


def test_a_taken_address_is_refused(client: Client, ada: User) -> None:
    response = client.post(reverse("account_signup"), {**NEW, "email": ada.email})

    assert response.status_code == 200
    assert not User.objects.filter(username="grace").exists()


@pytest.mark.parametrize("password", ["short", "123456789012", "password123", "grace@example"])
@pytest.mark.django_db
def test_a_weak_password_is_refused_with_the_reason(client: Client, password: str) -> None:
    response = client.post(reverse("account_signup"), {**NEW, "password1": password})

    assert "This password is" in response.content.decode() or (
        "The password is too similar" in response.content.decode()
    )
    assert not User.objects.exists()


@pytest.mark.django_db
def test_somebody_new_is_a_student_signed_in_and_welcome(client: Client) -> None:
    response = client.post(reverse("account_signup"), NEW, follow=True)

    grace = User.objects.get()
    assert response.redirect_chain == [(reverse("home"), 302)]
    assert client.session["_auth_user_id"] == str(grace.pk)
    assert grace.role == Role.STUDENT
    assert not grace.is_staff
    assert "Your account is ready, grace." in response.content.decode()


@pytest.mark.django_db
def test_nobody_signs_up_as_an_admin(client: Client) -> None:
    client.post(reverse("account_signup"), {**NEW, "role": "admin", "is_superuser": "on"})

    assert User.objects.get().role == Role.STUDENT


@pytest.mark.parametrize("login", ["ada", "ADA@example.org"])
def test_ada_signs_in_by_name_or_address(
    client: Client, ada: User, password: str, login: str
) -> None:
    response = client.post(reverse("account_login"), {"login": login, "password": password})

    assert response.headers["Location"] == reverse("home")
    assert client.session["_auth_user_id"] == str(ada.pk)


@pytest.mark.parametrize("login", ["ada", "nobody"])
def test_a_wrong_sign_in_does_not_say_what_was_wrong(client: Client, ada: User, login: str) -> None:
    response = client.post(reverse("account_login"), {"login": login, "password": "wrong"})

    assert "The username and/or password you specified are not correct" in (
        response.content.decode()
    )
    assert "_auth_user_id" not in client.session


def test_guessing_passwords_is_slowed_down(client: Client, ada: User, password: str) -> None:
    for guess in range(12):
        client.post(reverse("account_login"), {"login": "ada", "password": f"guess-{guess}"})
    response = client.post(reverse("account_login"), {"login": "ada", "password": password})

    assert "Too many failed login attempts" in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_too_many_requests_get_a_page_of_ours(client: Client, ada: User) -> None:
    for _ in range(21):
        response = client.post(reverse("account_reset_password"), {"email": ada.email})

    assert response.status_code == 429
    assert "too often in a short time" in response.content.decode()


def test_an_account_switched_off_cannot_sign_in(client: Client, ada: User, password: str) -> None:
    User.objects.filter(pk=ada.pk).update(is_active=False)

    response = client.post(
        reverse("account_login"), {"login": "ada", "password": password}, follow=True
    )

    assert "This account is switched off" in response.content.decode()
    assert "_auth_user_id" not in client.session


def test_signing_out_takes_a_click_on_a_button(client: Client, ada: User) -> None:
    client.force_login(ada)

    assert "Sign out?" in client.get(reverse("account_logout")).content.decode()
    assert "_auth_user_id" in client.session
    response = client.post(reverse("account_logout"))
    assert response.headers["Location"] == reverse("home")
    assert "_auth_user_id" not in client.session


def test_a_lost_password_is_replaced_through_the_mail(
    client: Client, ada: User, password: str
) -> None:
    client.post(reverse("account_reset_password"), {"email": "ada@example.org"})
    (message,) = mail.outbox
    assert message.to == ["ada@example.org"]
    assert message.subject == "Inference Campus: Choose a new password"
    assert message.body.startswith("Hello Ada,\n")
    (link,) = re.findall(r"http://testserver(/accounts/password/reset/key/\S+)", str(message.body))

    page = client.get(link, follow=True)
    assert "Choose a new password" in page.content.decode()
    answer = client.post(
        page.redirect_chain[-1][0],
        {"password1": "a-wholly-new-secret", "password2": "a-wholly-new-secret"},
        follow=True,
    )
    assert "Your password is changed" in answer.content.decode()

    client.post(reverse("account_login"), {"login": "ada", "password": password})
    assert "_auth_user_id" not in client.session
    client.post(reverse("account_login"), {"login": "ada", "password": "a-wholly-new-secret"})
    assert client.session["_auth_user_id"] == str(ada.pk)
    assert "This link no longer works" in client.get(link, follow=True).content.decode()


@pytest.mark.django_db
def test_an_unknown_address_is_answered_alike_and_told_by_mail(client: Client) -> None:
    response = client.post(
        reverse("account_reset_password"), {"email": "who@example.org"}, follow=True
    )

    assert "Look into your mail" in response.content.decode()
    (message,) = mail.outbox
    assert message.subject == "Inference Campus: There is no account with this address"
    assert "http://testserver/accounts/signup/" in message.body


def test_a_new_address_is_confirmed_by_its_link_and_made_the_main_one(
    client: Client, ada: User
) -> None:
    client.force_login(ada)
    client.post(reverse("account_email"), {"action_add": "", "email": "ada@new.example.org"})
    (message,) = mail.outbox
    assert message.to == ["ada@new.example.org"]
    ada.refresh_from_db()
    assert ada.email == "ada@example.org"

    (link,) = re.findall(r"http://testserver(/accounts/confirm-email/\S+)", str(message.body))
    assert "ada@new.example.org" in client.get(link).content.decode()
    client.post(link)
    client.post(reverse("account_email"), {"action_primary": "", "email": "ada@new.example.org"})
    ada.refresh_from_db()
    assert ada.email == "ada@new.example.org"


def test_ada_gives_her_full_name(client: Client, ada: User) -> None:
    client.force_login(ada)

    response = client.post(
        reverse("profile"), {"first_name": "Ada", "last_name": "Lovelace"}, follow=True
    )

    assert "Your name is saved." in response.content.decode()
    ada.refresh_from_db()
    assert ada.name == "Ada Lovelace"


def test_a_name_too_long_is_refused_and_the_old_one_still_shown(client: Client, ada: User) -> None:
    client.force_login(ada)

    response = client.post(reverse("profile"), {"first_name": "A" * 151, "last_name": ""})

    assert "Ensure this value has at most 150 characters" in response.content.decode()
    ada.refresh_from_db()
    assert ada.first_name == "Ada"


@pytest.mark.django_db
def test_the_profile_is_for_who_is_signed_in(client: Client) -> None:
    response = client.get(reverse("profile"))

    assert response.headers["Location"] == f"{reverse('account_login')}?next={reverse('profile')}"


PAGES = [
    "account_login",
    "account_signup",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key_done",
    "account_email_verification_sent",
    "account_inactive",
]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.django_db
def test_every_page_before_sign_in_wears_the_campus_look(client: Client, name: str) -> None:
    response = client.get(reverse(name))

    assert response.status_code == 200
    assert 'id="main"' in response.content.decode()


@pytest.mark.parametrize(
    "name",
    [
        "account_email",
        "account_change_password",
        "account_reauthenticate",
        "account_logout",
        "profile",
    ],
)
def test_every_page_of_an_account_wears_the_campus_look(
    client: Client, ada: User, name: str
) -> None:
    client.force_login(ada)

    response = client.get(reverse(name))

    assert response.status_code == 200
    assert 'id="main"' in response.content.decode()
