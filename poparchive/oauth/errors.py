"""What can go wrong between us and an identity provider, by what there is to do about it."""

from poparchive.errors import PoparchiveError, TryLaterError


class OAuthError(PoparchiveError):
    """The provider does not take what it was asked: mostly something in the configuration."""


class LoginNeededError(OAuthError):
    """Only a person can go on: nobody has logged in yet, or the log-in ended or was taken back."""


class LoginFailedError(OAuthError):
    """A person's log-in came to nothing: denied, too late, or an answer that is not to our question."""


class UnreachableError(OAuthError, TryLaterError):
    """The provider cannot be reached, or is not well; later it may be."""


class StoreError(OAuthError):
    """Tokens cannot be kept, or those that were kept cannot be read."""
