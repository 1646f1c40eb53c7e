// Injected faults: the list, one click for the usual ones, a form for the others.

import { control } from "./api.js";
import { Table } from "./table.js";
import { button, clearFieldErrors, el, field, notify, showFieldErrors, whileBusy } from "./dom.js";

const PRESETS = [
  { title: "SES throttle ×3", fault: { service: "ses", error: "Throttling", status: 400, count: 3 } },
  { title: "DynamoDB throttle ×3", fault: { service: "dynamodb", error: "ProvisionedThroughputExceededException", status: 400, count: 3 } },
  { title: "SQS delivers twice ×3", fault: { service: "sqs", delivery: "twice", count: 3 } },
  { title: "S3 slow down ×3", fault: { service: "s3", error: "SlowDown", status: 503, count: 3 } },
];
const words = (delivery) => delivery.replaceAll("_", " ");
const SERVICES = ["dynamodb", "streams", "s3", "sqs", "ses", "sns", "sts"];

export class FaultsPanel {
  constructor(place, form, actions) {
    this.table = new Table(place, {
      caption: "Injected faults", empty: "No faults: every service answers as it should.", keyOf: ({ key }) => key,
      columns: [
        { title: "Service", text: ({ fault }) => fault.service },
        { title: "Operation", text: ({ fault }) => (fault.operation === "*" ? "any" : fault.operation) },
        { title: "Error", text: ({ fault }) => (fault.delivery ? `delivered ${words(fault.delivery)}` : `${fault.error} (${fault.status})`) },
        { title: "Fired", numeric: true, text: ({ fault, fired }) => `${fired}${fault.count === null ? "" : ` of ${fault.count}`}` },
      ],
    });
    actions.append(button("Clear", () => this.clear(), { class: "small" }));
    this.buildForm(form);
  }

  update(faults) {
    // Faults have no names; their place in the list is one, since they are only ever added at its end.
    this.table.update(faults.map((each, index) => ({ ...each, key: index })));
  }

  async refresh() {
    this.update(await control("GET", "faults"));
  }

  buildForm(form) {
    const service = el("select", { name: "service" }, SERVICES.map((name) => el("option", { value: name }, name)));
    const operation = el("input", { name: "operation", placeholder: "any", autocomplete: "off" });
    const error = el("input", { name: "error", placeholder: "Throttling", autocomplete: "off" });
    const status = el("input", { name: "status", type: "number", min: 400, max: 599, value: 400 });
    const count = el("input", { name: "count", type: "number", min: 1, placeholder: "∞" });
    const submit = el("button", {}, "Add");
    form.append(
      el("div", { class: "actions presets" }, PRESETS.map(({ title, fault }) => button(title, () => this.add(fault), { class: "small" }))),
      field("Service", service), field("Operation", operation), field("Error code", error), field("Status", status), field("Times", count), submit);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearFieldErrors(form);
      if (!error.value.trim()) {
        showFieldErrors(form, [{ field: "error", message: "must not be empty" }]);
        return;
      }
      whileBusy(submit, () => this.add({
        service: service.value,
        operation: operation.value.trim() || "*",
        error: error.value.trim(),
        status: Number(status.value),
        count: count.value ? Number(count.value) : null,
      }));
    });
  }

  async add(fault) {
    await control("POST", "faults", fault);
    await this.refresh();
    notify(fault.delivery ? `Added: ${fault.service} will deliver ${words(fault.delivery)}.` : `Added: ${fault.service} will answer ${fault.error}.`);
  }

  async clear() {
    await control("DELETE", "faults");
    await this.refresh();
  }
}
