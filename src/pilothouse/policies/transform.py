"""`Transform`: what makes a policy of a policy. Steering and guarding are transforms, so that they work on any, and stack."""

from typing import Protocol, runtime_checkable

from pilothouse.policies.policy import Policy


@runtime_checkable
class Transform(Protocol):
    """`transform(policy) -> policy`: pure, and of the same spaces on both sides."""

    def __call__(self, policy: Policy) -> Policy: ...
