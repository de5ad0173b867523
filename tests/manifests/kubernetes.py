"""What no schema says of the rendered manifests: that names meet, that quantities are some, that the pod is
as closed as it can be. Prints each fault, and ends with 1 if there is one.

Usage: kubernetes.py RENDERED.yaml CONFIG.toml
"""

import re
import sys
import tomllib

import yaml

QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")
faults = []


def hold(what, holds):
    if not holds:
        faults.append(what)


def main(rendered, config_file):
    with open(rendered) as file:
        objects = [it for it in yaml.safe_load_all(file) if it]
    with open(config_file, "rb") as file:
        config = tomllib.load(file)
    names = [(it["kind"], it["metadata"]["name"]) for it in objects]
    hold("two objects of one name", len(names) == len(set(names)))
    by_kind = {}
    for it in objects:
        by_kind.setdefault(it["kind"], []).append(it)
        if it["kind"] != "Namespace":
            hold(f"{it['kind']} {it['metadata']['name']}: no namespace", it["metadata"].get("namespace"))
    [deployment] = by_kind["Deployment"]
    template = deployment["spec"]["template"]
    labels = template["metadata"]["labels"]
    [container] = template["spec"]["containers"]
    ports = {it["name"]: it["containerPort"] for it in container["ports"]}

    selectors(by_kind, deployment, labels)
    pod(by_kind, template["spec"], container)
    quantities(container["resources"])
    probes(container, ports)
    services(by_kind, labels, ports)
    network(by_kind, config, ports)
    times(template["spec"], config, deployment)
    files(template["spec"], container, config)


def matches(selector, labels):
    return bool(selector) and selector.items() <= labels.items()


def selectors(by_kind, deployment, labels):
    spec = deployment["spec"]
    hold("the Deployment selects its pods", matches(spec["selector"]["matchLabels"], labels))
    for spread in spec["template"]["spec"]["topologySpreadConstraints"]:
        hold("the spread counts its pods", matches(spread["labelSelector"]["matchLabels"], labels))
    for budget in by_kind.get("PodDisruptionBudget", []):
        hold("the budget is of its pods", matches(budget["spec"]["selector"]["matchLabels"], labels))
    for policy in by_kind["NetworkPolicy"]:
        hold("the policy is of its pods", matches(policy["spec"]["podSelector"]["matchLabels"], labels))
    for scaler in by_kind.get("HorizontalPodAutoscaler", []):
        target = scaler["spec"]["scaleTargetRef"]
        hold("the autoscaler has its target", target["name"] == deployment["metadata"]["name"])
        hold("the autoscaler and the Deployment set replicas", "replicas" not in spec)
        hold("one instance at least is left", scaler["spec"]["minReplicas"] >= 2)
    hold(
        "neither an autoscaler nor replicas, or a budget for one instance",
        bool(by_kind.get("HorizontalPodAutoscaler")) != (spec.get("replicas") == 1)
        and bool(by_kind.get("PodDisruptionBudget")) != (spec.get("replicas") == 1),
    )


def pod(by_kind, spec, container):
    security = spec["securityContext"]
    hold("non-root", security["runAsNonRoot"] is True)
    hold("a numeric user that is not root", isinstance(security["runAsUser"], int) and security["runAsUser"] > 0)
    hold("seccomp", security["seccompProfile"] == {"type": "RuntimeDefault"})
    hold("no service links", spec["enableServiceLinks"] is False)
    hold("no token", spec["automountServiceAccountToken"] is False)
    [account] = by_kind["ServiceAccount"]
    hold("no token of the account", account["automountServiceAccountToken"] is False)
    hold("the account is there", account["metadata"]["name"] == spec["serviceAccountName"])
    own = container["securityContext"]
    hold("a read-only root", own["readOnlyRootFilesystem"] is True)
    hold("no escalation", own["allowPrivilegeEscalation"] is False)
    hold("no capability", own["capabilities"] == {"drop": ["ALL"]})
    hold("a tag", re.search(r":\d+\.\d+\.\d+$|@sha256:", container["image"]))
    hold("no hook that needs a shell", "lifecycle" not in container)


def quantities(resources):
    for kind in ("requests", "limits"):
        for name, value in resources[kind].items():
            hold(f"{kind}.{name}: {value} is no quantity", QUANTITY.match(str(value)))
    hold("memory is limited", "memory" in resources["limits"])
    hold("CPU is requested", "cpu" in resources["requests"])


def probes(container, ports):
    for kind, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
        get = container[kind]["httpGet"]
        hold(f"{kind}: {get}", get == {"path": path, "port": "ops"} and "ops" in ports)


def services(by_kind, labels, ports):
    services = {it["metadata"]["name"]: it for it in by_kind["Service"]}
    for name, it in services.items():
        hold(f"Service {name} selects the pods", matches(it["spec"]["selector"], labels))
        for port in it["spec"]["ports"]:
            hold(f"Service {name}: no port {port['targetPort']}", port["targetPort"] in ports)
    hold("callers have a Service", services["sddc-gateway"]["spec"]["ports"][0]["targetPort"] == "api")
    for monitor in by_kind.get("ServiceMonitor", []):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        found = [it for it in services.values() if matches(wanted, it["metadata"]["labels"])]
        hold("the monitor finds one Service", len(found) == 1)
        [endpoint] = monitor["spec"]["endpoints"]
        hold("the monitor's port", endpoint["port"] in [it["name"] for it in found[0]["spec"]["ports"]])
        hold("the job is sddc-gateway", found[0]["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "sddc-gateway")
        hold("what is not ready is scraped", found[0]["spec"]["publishNotReadyAddresses"] is True)
        hold("the rules come along", len(by_kind["PrometheusRule"]) == 1)


def port_of(address):
    return int(address.rsplit(":", 1)[1])


def network(by_kind, config, ports):
    listens = {"api": port_of(config["api"]["listen"]), "ops": port_of(config["ops"]["listen"])}
    hold(f"the pod's ports {ports} are the configured ones", ports == listens)
    for section in ("api", "ops"):
        hold(f"{section} listens to others", config[section]["listen"].startswith(("0.0.0.0:", "[::]:")))
    policies = by_kind["NetworkPolicy"]
    allowed = {it["port"] for policy in policies for rule in policy["spec"].get("ingress", []) for it in rule["ports"]}
    wanted = {listens["api"]} | ({listens["ops"]} if by_kind.get("ServiceMonitor") else set())
    hold(f"let in are {allowed} and not {wanted}", allowed == wanted)
    for policy in policies:
        for rule in policy["spec"].get("ingress", []) + policy["spec"].get("egress", []):
            hold("a rule for everybody, or for every port", (rule.get("from") or rule.get("to")) and rule["ports"])
    hold("out is limited", any("Egress" in policy["spec"]["policyTypes"] for policy in policies))


def times(spec, config, deployment):
    seconds = sum(int(config["api"][key].removesuffix("s")) for key in ("drain_delay", "drain"))
    hold("the drain is cut short", seconds < spec["terminationGracePeriodSeconds"])
    rolling = deployment["spec"]["strategy"]["rollingUpdate"]
    hold("none is missing in an update", rolling["maxUnavailable"] == 0 and rolling["maxSurge"])


def files(spec, container, config):
    mounts = {it["mountPath"]: it for it in container["volumeMounts"]}
    volumes = {it["name"]: it for it in spec["volumes"]}
    hold("each mount has its volume", {it["name"] for it in mounts.values()} == volumes.keys())
    hold("no subPath: such a file is never updated", all("subPath" not in it for it in mounts.values()))
    variables = {it["name"]: it["value"] for it in container["env"]}
    read = [*variables.values(), config["csp"]["client_secret_file"], config["access"]["callers_file"]]
    for path in read + [config["inventory"]["snapshot_file"]]:
        mount = mounts.get(path.rsplit("/", 1)[0])
        hold(f"{path} is mounted", mount and mount.get("readOnly", False) == (path in read))
    hold("the state can be written", "emptyDir" in volumes["state"])


main(*sys.argv[1:])
print("\n".join(faults))
sys.exit(1 if faults else 0)
