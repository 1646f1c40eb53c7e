// What the picture of the pipeline shows: boxes with places, and the ways between them. For the template of this
// repository the places are laid out by hand; any other template gets three columns from what the host tells of it.

const COLUMN = 164;
const WIDTH = 136;
const HEIGHT = 40;
const LEFT = 12;
const TOP = 14;
const ROW = 52;

const columnX = (column) => LEFT + column * COLUMN;
const rowY = (row) => TOP + row * ROW;

const box = (id, kind, column, row, extra = {}) => ({
  id, kind, x: columnX(column), y: rowY(row), width: WIDTH, height: HEIGHT, ...extra,
});

/** Several rows high. */
const tall = (rows) => ({ height: (rows - 1) * ROW + HEIGHT });

// Boxes named after functions and queues appear only when the host has these; the others when a way leads to them.
const BOXES = [
  box("EveryMorning", "schedule", 0, 0, { title: "every morning" }),
  box("DailyReportFunction", "function", 1, 0),
  box("EveryNight", "schedule", 0, 1, { title: "every night" }),
  box("NightlyCleanupFunction", "function", 1, 1),
  box("api", "api", 0, 2.2, { title: "HTTP API", note: "API Gateway", ...tall(7) }),
  box("SaveNoteFunction", "function", 1, 2.2),
  box("GetNotesFunction", "function", 1, 3.2),
  box("DeleteNoteFunction", "function", 1, 4.2),
  box("AttachmentsFunction", "function", 1, 5.2),
  box("SettingsFunction", "function", 1, 6.2),
  box("GetReportFunction", "function", 1, 7.2),
  box("HelloFunction", "function", 1, 8.2),
  box("table", "store", 2, 2.2, { title: "notes table", note: "DynamoDB + stream", ...tall(3) }),
  box("uploads", "store", 2, 5.2, { title: "uploads", note: "S3 bucket" }),
  box("NoteEventsFunction", "function", 3, 3.2),
  box("ReplaysQueue", "queue", 3, 4.2),
  box("UploadsQueue", "queue", 3, 5.2),
  box("DeadLettersQueue", "queue", 3, 7.2),
  box("StreamFailuresQueue", "queue", 3, 8.2),
  box("EmailQueue", "queue", 4, 3.2),
  box("ThumbnailsFunction", "function", 4, 5.2),
  box("RetryFunction", "function", 4, 7.7),
  box("SendEmailFunction", "function", 5, 3.2),
  box("EmailFeedbackFunction", "function", 5, 4.2),
  box("thumbnails", "store", 5, 5.2, { title: "thumbnails", note: "S3 bucket" }),
  box("ParkingQueue", "queue", 5, 7.7),
  box("ses", "store", 6, 3.2, { title: "e-mail", note: "SES" }),
  box("FeedbackQueue", "queue", 6, 4.2),
];

const HTTP_FUNCTIONS = ["SaveNote", "GetNotes", "DeleteNote", "Attachments", "Settings", "GetReport", "Hello"];
const centre = (column) => columnX(column) + WIDTH / 2;
/** A lane in the gap to the right of a column. */
const lane = (column, offset) => columnX(column) + WIDTH + offset;
const middle = (row) => rowY(row) + HEIGHT / 2;
const FAILURES_Y = middle(6.2);

// `from` and `to` may name a side and a shift along it; `via` are the corners in between.
const WAYS = [
  ...HTTP_FUNCTIONS.map((name) => ({ from: `api@${name}Function`, to: `${name}Function`, kind: "http" })),
  { from: "EveryMorning", to: "DailyReportFunction", kind: "schedule" },
  { from: "EveryNight", to: "NightlyCleanupFunction", kind: "schedule" },
  { from: "DailyReportFunction", to: "EmailQueue:top", kind: "data", via: [[centre(4), middle(0)]] },
  { from: "NightlyCleanupFunction", to: "table:top", kind: "data", via: [[centre(2), middle(1)]] },
  { from: "SaveNoteFunction", to: "table@SaveNoteFunction", kind: "data" },
  { from: "GetNotesFunction", to: "table@GetNotesFunction", kind: "data" },
  { from: "DeleteNoteFunction", to: "table@DeleteNoteFunction", kind: "data" },
  { from: "AttachmentsFunction", to: "uploads", kind: "data" },
  { from: "table", to: "NoteEventsFunction", kind: "stream" },
  { from: "ReplaysQueue:top", to: "NoteEventsFunction:bottom", kind: "queue" },
  { from: "NoteEventsFunction", to: "EmailQueue", kind: "data" },
  { from: "EmailQueue", to: "SendEmailFunction", kind: "queue" },
  { from: "SendEmailFunction", to: "ses", kind: "data" },
  { from: "ses:bottom", to: "FeedbackQueue:top", kind: "data" },
  { from: "FeedbackQueue:left", to: "EmailFeedbackFunction:right", kind: "queue" },
  { from: "uploads", to: "UploadsQueue", kind: "data" },
  { from: "UploadsQueue", to: "ThumbnailsFunction", kind: "queue" },
  { from: "ThumbnailsFunction", to: "thumbnails", kind: "data" },
  { from: "UploadsQueue:bottom", to: "DeadLettersQueue:top", kind: "failure" },
  { from: "EmailQueue:bottom", to: "DeadLettersQueue:top", kind: "failure", via: [[centre(4), middle(4.2)], [lane(4, 14), middle(4.2)], [lane(4, 14), FAILURES_Y], [centre(3), FAILURES_Y]] },
  { from: "FeedbackQueue:bottom", to: "DeadLettersQueue:top", kind: "failure", via: [[centre(6), FAILURES_Y], [centre(3), FAILURES_Y]] },
  { from: "ReplaysQueue:left", to: "DeadLettersQueue:top", kind: "failure", via: [[lane(2, 20), middle(4.2)], [lane(2, 20), FAILURES_Y], [centre(3), FAILURES_Y]] },
  { from: "NoteEventsFunction:left+12", to: "StreamFailuresQueue:left", kind: "failure", via: [[lane(2, 10), middle(3.2) + 12], [lane(2, 10), middle(8.2)]] },
  { from: "DeadLettersQueue", to: "RetryFunction:left-8", kind: "queue", via: [[lane(3, 14), middle(7.2)], [lane(3, 14), middle(7.7) - 8]] },
  { from: "StreamFailuresQueue", to: "RetryFunction:left+8", kind: "queue", via: [[lane(3, 14), middle(8.2)], [lane(3, 14), middle(7.7) + 8]] },
  { from: "RetryFunction:top", to: "ReplaysQueue:right", kind: "data", via: [[centre(4), middle(6.7)], [lane(3, 14), middle(6.7)], [lane(3, 14), middle(4.2)]] },
  { from: "RetryFunction", to: "ParkingQueue", kind: "failure" },
];

/** The share of a host's functions that the laid-out picture must know to be the right one. */
const KNOWN_SHARE = 0.6;

/** The picture of what the host has: `{boxes, ways, width, height}`. */
export function planOf(state) {
  const places = new Map(BOXES.map((each) => [each.id, each]));
  const known = state.functions.filter(({ name }) => places.has(name));
  const isKnown = known.length >= KNOWN_SHARE * Math.max(1, state.functions.length);
  return isKnown ? laidOut(state) : inColumns(state);
}

/** Queues carry the stack's name in front of their own. */
const isNamed = (physical, logical) => physical === logical || physical.endsWith(`-${logical}`);

function laidOut({ functions, queues, schedules }) {
  const resolve = {
    function: (id) => functions.find(({ name }) => name === id)?.name,
    queue: (id) => queues.find(({ name }) => isNamed(name, id))?.name,
    schedule: (id) => schedules.find(({ name }) => name.endsWith(`.${id}`))?.name,
  };
  const present = BOXES.map((each) => ({ ...each, of: resolve[each.kind] ? resolve[each.kind](each.id) : each.id })).filter(({ of }) => of);
  const ids = new Set(present.map(({ id }) => id));
  const ways = WAYS.filter(({ from, to }) => ids.has(idOf(from)) && ids.has(idOf(to)));
  const boxes = [...present, ...newcomers(present, functions, queues)];
  return drawn(boxes, ways);
}

/** What the template has gained since the picture was laid out: a row below it. */
function newcomers(present, functions, queues) {
  const shown = new Set(present.map(({ kind, of }) => `${kind} ${of}`));
  const missing = [
    ...functions.map(({ name }) => ({ kind: "function", of: name })),
    ...queues.map(({ name }) => ({ kind: "queue", of: name })),
  ].filter(({ kind, of }) => !shown.has(`${kind} ${of}`));
  return missing.map(({ kind, of }, index) => box(of, kind, index % 7, 9.6 + Math.floor(index / 7), { of }));
}

/** Triggers, functions, queues: a column each. */
function inColumns({ functions, queues, sources, schedules }) {
  const mapped = sources.filter(({ function: name }) => functions.some((each) => each.name === name));
  const triggers = [
    ...mapped.map(({ id, kind, function: name }) => ({ id: `source ${id}`, kind: kind === "stream" ? "store" : "trigger", title: id.split(".").pop(), note: kind, way: kind, name })),
    ...schedules.map(({ name, function: target }) => ({ id: `schedule ${name}`, kind: "schedule", title: name.split(".").pop(), of: name, way: "schedule", name: target })),
  ];
  const triggered = new Set(triggers.map(({ name }) => name));
  const direct = functions.filter(({ name }) => !triggered.has(name));
  const boxes = [
    ...(direct.length ? [box("direct", "api", 0, 0, { title: "HTTP", note: "or direct calls" })] : []),
    ...triggers.map(({ id, kind, title, note, of }, index) => box(id, kind, 0, index + (direct.length ? 1 : 0), { title, note, of })),
    ...functions.map(({ name }, index) => box(name, "function", 2, index, { of: name })),
    ...queues.map(({ name }, index) => box(`queue ${name}`, "queue", 4, index, { of: name })),
  ];
  const ways = [
    ...direct.map(({ name }) => ({ from: "direct", to: name, kind: "http" })),
    ...triggers.map(({ id, way, name }) => ({ from: id, to: name, kind: way })),
  ];
  return drawn(boxes, ways);
}

function drawn(boxes, ways) {
  const byId = new Map(boxes.map((each) => [each.id, each]));
  return {
    boxes,
    ways: ways.map((way) => ({ ...way, from: idOf(way.from), to: idOf(way.to), path: pathOf(way, byId) })),
    width: Math.max(...boxes.map(({ x, width }) => x + width), 0) + LEFT,
    height: Math.max(...boxes.map(({ y, height }) => y + height), 0) + TOP,
  };
}

const idOf = (end) => end.split(/[:@]/)[0];

/** Where a way meets a box: `id`, `id:side±shift`, or `id@other` for the height of another box. */
function endPoint(end, fallbackSide, boxes) {
  const { x, y, width, height } = boxes.get(idOf(end));
  const beside = end.split("@")[1];
  const [, side = fallbackSide, shift = "0"] = end.match(/:(\w+)([+-]\d+)?$/) ?? [];
  const level = beside && boxes.has(beside) ? boxes.get(beside).y + boxes.get(beside).height / 2 : y + height / 2;
  switch (side) {
    case "left": return [x, level + Number(shift)];
    case "right": return [x + width, level + Number(shift)];
    case "top": return [x + width / 2, y];
    default: return [x + width / 2, y + height];
  }
}

function pathOf({ from, to, via }, boxes) {
  const start = endPoint(from, "right", boxes);
  const end = endPoint(to, "left", boxes);
  if (via) return rounded([start, ...via, end]);
  if (start[0] === end[0] || start[1] === end[1]) return `M${start} L${end}`;
  const half = (end[0] - start[0]) / 2;
  return `M${start} C${start[0] + half},${start[1]} ${end[0] - half},${end[1]} ${end}`;
}

const CORNER = 8;

/** A line through `points` whose corners are round. */
function rounded(points) {
  let path = `M${points[0]}`;
  for (let index = 1; index < points.length - 1; index += 1) {
    const corner = points[index];
    path += ` L${toward(corner, points[index - 1])} Q${corner} ${toward(corner, points[index + 1])}`;
  }
  return `${path} L${points.at(-1)}`;
}

/** The point on the way from `from` to `to` that is a corner's radius away, or half the way if that is less. */
function toward(from, to) {
  const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
  const part = length ? Math.min(CORNER, length / 2) / length : 0;
  return [from[0] + (to[0] - from[0]) * part, from[1] + (to[1] - from[1]) * part];
}
