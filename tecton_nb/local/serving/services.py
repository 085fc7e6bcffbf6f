"""The feature services of a server: found by what a request names, closed to accounts without the role."""

from __future__ import annotations

from ...wire.requests import DEFAULT_WORKSPACE, Locator
from ..definitions.plan import ServicePlan, plan_service
from ..definitions.views import Definitions
from ..keys import Account
from .inputs import Inputs
from .refusals import cannot_query, not_authorized, unknown_locator
from .writer import AnswerWriter


class Service:
    """One feature service, with what serving it needs made once.

    Parameters
    ----------
    plan
        What serving it takes.
    """

    def __init__(self, plan: ServicePlan) -> None:
        self.plan = plan
        self.inputs = Inputs(plan)
        self._writers: dict[frozenset[str], AnswerWriter] = {}

    def writer(self, metadata: frozenset[str]) -> AnswerWriter:
        """Return the writer for a choice of metadata options."""
        known = self._writers.get(metadata)
        if known is None:
            known = self._writers[metadata] = AnswerWriter(self.plan, metadata)
        return known


class Services:
    """All of them.

    Parameters
    ----------
    definitions
        Checked.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._workspaces = frozenset(definitions.workspaces)
        plans = [plan_service(service, definitions) for service in definitions.services]
        self._by_id = {plan.service_id: Service(plan) for plan in plans}
        self._by_name = {(plan.service.workspace, plan.service.name): self._by_id[plan.service_id] for plan in plans}

    @property
    def plans(self) -> tuple[ServicePlan, ...]:
        """The plans of all services."""
        return tuple(service.plan for service in self._by_id.values())

    def plan(self, service: str, workspace: str) -> ServicePlan | None:
        """Return the plan of a service by its name, `None` if it is unknown."""
        known = self._by_name.get((workspace, service))
        return None if known is None else known.plan

    def readable(self, account: Account) -> tuple[ServicePlan, ...]:
        """Return the plans of the services that an account may read."""
        return tuple(plan for plan in self.plans if account.may_read(plan.service.workspace))

    def located(self, locator: Locator, account: Account) -> Service:
        """Return the service that a request names.

        Raises
        ------
        ForbiddenError
            If the account may not read the workspace, whether the service is there or not.
        NotFoundError
            If there is no such service.
        """
        workspace = locator.workspace_name or DEFAULT_WORKSPACE
        if locator.by == "id":
            service = self._by_id.get(locator.value)
        else:
            self._check_readable(workspace, account)
            service = self._by_name.get((workspace, locator.value)) if locator.by == "name" else None
        if service is None:
            raise unknown_locator(locator, workspace)
        self._check_readable(service.plan.service.workspace, account)
        return service

    def queried(self, locator: Locator, account: Account) -> Service:
        """Return the service that a request for features names; an unknown name has a sentence of its own there."""
        workspace = locator.workspace_name or DEFAULT_WORKSPACE
        if locator.by == "name" and (workspace, locator.value) not in self._by_name:
            self._check_readable(workspace, account)
            raise cannot_query(locator.value, workspace)
        return self.located(locator, account)

    def _check_readable(self, workspace: str, account: Account) -> None:
        if not account.may_read(workspace) and workspace in self._workspaces:
            raise not_authorized(workspace)
