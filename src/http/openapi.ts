import { z } from 'zod';
import { API_ROUTES, type ApiAnswer, type ApiParameter, type ApiRoute } from './api-routes.ts';
import { SCHEMAS, type SchemaName } from './schemas.ts';

type Json = Readonly<Record<string, unknown>>;

const REF = '#/components/schemas/';
/** What the guard and the limits answer wherever a token or another host is wrong. */
const GUARD_PROBLEMS = [401, 403, 421, 429];
const PROBLEM_NAMES: Readonly<Record<number, string>> = {
  400: 'The request is not valid; the sentence names the field.',
  401: 'The token is missing or wrong.',
  403: 'Refused.',
  404: 'There is no such thing.',
  409: 'Not now, or not any more.',
  413: 'The body is too large.',
  415: 'The body is of another type.',
  416: 'The log has no such bytes.',
  421: 'This service does not answer under that name.',
  422: 'Understood, and not possible.',
  429: 'Too many wrong tokens or signatures.',
  500: 'The agent failed at once, or an internal error.',
  502: 'The announcement failed and was required.',
  503: 'Something that a run needs is missing.',
};

/** OpenAPI 3.1 of every route of the contract. */
export function createOpenApi(version: string): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Looper',
      version,
      description: 'Keeps one coding agent working: POST /run starts one detached run.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{}, { bearer: [] }, { token: [] }],
    paths: paths(),
    components: {
      schemas: componentSchemas(),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        token: { type: 'apiKey', in: 'header', name: 'X-Looper-Token' },
      },
    },
  };
}

function paths(): Json {
  const byPath: Record<string, Record<string, Json>> = {};
  for (const route of API_ROUTES) (byPath[route.path] ??= {})[route.method] = operation(route);
  return byPath;
}

function operation(route: ApiRoute): Json {
  const { summary, parameters = [], body, answers, isOpen = false } = route;
  const problems = [...new Set([...route.problems, ...(isOpen ? [403, 421] : GUARD_PROBLEMS)])];
  const answered = Object.entries(answers).map(([status, one]) => [status, answer(one)]);
  return {
    operationId: operationId(route),
    summary,
    ...(isOpen ? { security: [] } : {}),
    ...(parameters.length > 0 ? { parameters: parameters.map(parameter) } : {}),
    ...(body === undefined ? {} : { requestBody: { required: true, content: contentOf(body) } }),
    responses: Object.fromEntries([
      ...answered,
      ...problems
        .filter((status) => answers[status] === undefined)
        .map((status) => [String(status), problemAnswer(status)]),
    ]),
  };
}

/** `get_runs_id_log` */
function operationId({ method, path }: ApiRoute): string {
  const words = path.replaceAll(/[{}]/g, '').split(/[/.]/).filter(Boolean);
  return [method, ...(words.length === 0 ? ['dashboard'] : words)].join('_');
}

function parameter({ name, in: place, description, type = 'string' }: ApiParameter): Json {
  return { name, in: place, description, required: place === 'path', schema: { type } };
}

function answer({ description, schema, contentType, headers }: ApiAnswer): Json {
  const named = Object.entries(headers ?? {}).map(([name, text]) => [
    name,
    { description: text, schema: { type: 'string' } },
  ]);
  return {
    description,
    ...(named.length > 0 ? { headers: Object.fromEntries(named) as Json } : {}),
    ...(schema === undefined ? {} : { content: contentOf({ schema }) }),
    ...(contentType === undefined ? {} : { content: { [contentType]: {} } }),
  };
}

function problemAnswer(status: number): Json {
  const schema = { $ref: `${REF}Problem` };
  return {
    description: PROBLEM_NAMES[status] ?? 'A problem.',
    content: { 'application/problem+json': { schema } },
  };
}

function contentOf(body: NonNullable<ApiRoute['body']>): Json {
  if ('schema' in body) {
    return { 'application/json': { schema: { $ref: REF + body.schema } } };
  }
  const schema = { type: 'object' };
  return Object.fromEntries(body.contentTypes.map((type) => [type, { schema }]));
}

/** Each schema once; where one holds another that has a name, it refers to it. */
function componentSchemas(): Json {
  const registry = z.registry<{ id: string }>();
  for (const name of Object.keys(SCHEMAS) as SchemaName[])
    registry.add(SCHEMAS[name], { id: name });
  // As input: a later version may add members to an answer.
  const { schemas } = z.toJSONSchema(registry, { uri: (id) => REF + id, io: 'input' });
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $id: _id, $schema: _dialect, ...schema }]) => [
      name,
      schema,
    ]),
  );
}
