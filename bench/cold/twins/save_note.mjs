// `POST /notes` with the AWS SDK for JavaScript: what save-note does with such a request, no more and no less, and the
// leanest loop around it.
import { randomBytes } from "node:crypto";
import http from "node:http";
import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";

const table = process.env.NOTES_TABLE;
// One client for all requests, which is made before the first. With what the function has in its environment, as Lambda
// sets it, so that it looks nowhere else.
const dynamodb = new DynamoDBClient({
  region: process.env.AWS_REGION,
  credentials: {
    accessKeyId: process.env.AWS_ACCESS_KEY_ID,
    secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY,
    sessionToken: process.env.AWS_SESSION_TOKEN,
  },
  maxAttempts: 3,
});

const problem = (statusCode, title) => ({
  statusCode,
  headers: { "content-type": "application/problem+json" },
  body: JSON.stringify({ title }),
});

function uuid7(milliseconds) {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(milliseconds, 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = bytes.toString("hex");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

const isText = (value) => typeof value === "string";

const isValid = ({ title, body, tags, notify }) =>
  isText(title) && title.length >= 1 && [...title].length <= 200 &&
  isText(body) && Buffer.byteLength(body) <= 65536 &&
  Array.isArray(tags) && tags.length <= 20 && tags.every((tag) => isText(tag) && tag) &&
  Array.isArray(notify) && notify.length <= 10 && notify.every((address) => isText(address) && address.includes("@"));

const texts = (values) => ({ L: values.map((value) => ({ S: value })) });

async function handle(event) {
  const context = event.requestContext;
  const claims = context.authorizer.jwt.claims;
  let content;
  try {
    content = { body: "", tags: [], notify: [], ...JSON.parse(event.body) };
  } catch {
    return problem(400, "the body is not JSON");
  }
  if (!isValid(content)) return problem(422, "the note is not valid");
  const now = new Date(context.timeEpoch).toISOString();
  const id = uuid7(context.timeEpoch);
  const note = { id, ...content, version: 1, created_at: now, updated_at: now, attachments: 0 };
  const output = await dynamodb.send(new PutItemCommand({
    TableName: table,
    ConditionExpression: "attribute_not_exists(pk)",
    ReturnConsumedCapacity: "TOTAL",
    Item: {
      pk: { S: "OWNER#" + claims.sub },
      sk: { S: "NOTE#" + id },
      id: { S: id },
      title: { S: note.title },
      body: { S: note.body },
      excerpt: { S: note.body.slice(0, 200) },
      tags: texts(note.tags),
      notify: texts(note.notify),
      version: { N: "1" },
      attachments: { N: "0" },
      created_at: { S: now },
      updated_at: { S: now },
      changed_by: { S: claims.email },
      changed_in: { S: context.requestId },
    },
  }));
  const units = output.ConsumedCapacity?.CapacityUnits;
  console.log(JSON.stringify({ level: "INFO", message: "request", route: event.routeKey, status: 201, units }));
  const headers = { "content-type": "application/json", location: "/notes/" + id, etag: '"1"' };
  return { statusCode: 201, headers, body: JSON.stringify(note), isBase64Encoded: false };
}

const [hostname, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true });

const ask = (method, path, body) =>
  new Promise((resolve, reject) => {
    const request = http.request({ hostname, port, agent, method, path: "/2018-06-01/runtime/invocation/" + path }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(parts) }));
    });
    request.on("error", reject);
    request.end(body);
  });

for (;;) {
  const event = await ask("GET", "next");
  const answer = await handle(JSON.parse(event.body));
  await ask("POST", event.headers["lambda-runtime-aws-request-id"] + "/response", JSON.stringify(answer));
}
