import { Validator } from '@seriousme/openapi-schema-validator';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { API_ROUTES } from '../../src/http/api-routes.ts';
import { createOpenApi } from '../../src/http/openapi.ts';
import { SCHEMAS } from '../../src/http/schemas.ts';
import { createApp, type AppDeps } from '../../src/server.ts';

const document = createOpenApi('1.2.3');

describe('GET /openapi.json', () => {
  it('is valid OpenAPI 3.1, and its references lead somewhere', async () => {
    const validator = new Validator();
    const result = await validator.validate(structuredClone(document));
    expect(result).toMatchObject({ valid: true });
    expect(validator.version).toBe('3.1');
    const text = JSON.stringify(document);
    const names = [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name);
    expect(names.length).toBeGreaterThan(10);
    for (const name of names) expect(Object.keys(SCHEMAS)).toContain(name);
  });

  it('describes every route that the service has', () => {
    const log = pino({ level: 'silent' });
    const http = { host: '127.0.0.1', port: 0, token: undefined, allowedHosts: [] };
    // Only the registration is looked at; no route is called.
    const deps = { config: { http }, hooks: {}, reads: {}, log } as unknown as AppDeps;
    const routes = createApp(deps)
      .routes.filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
    const described = API_ROUTES.map(({ method, path }) => `${method.toUpperCase()} ${path}`);
    expect(routes.length).toBeGreaterThan(15);
    expect(described).toEqual(expect.arrayContaining([...new Set(routes)]));
    expect(new Set(described).size).toBe(described.length);
  });

  it('names every parameter of a path', () => {
    for (const { path, parameters = [] } of API_ROUTES) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(
        parameters.filter(({ in: place }) => place === 'path').map(({ name }) => name),
      ).toEqual(inPath);
    }
  });

  it('has one schema for a run record, to which the others refer', () => {
    const schemas = (document['components'] as { schemas: Record<string, object> }).schemas;
    expect(schemas['Run']).toMatchObject({
      properties: { run: { $ref: '#/components/schemas/RunRecord' } },
    });
    expect(z.toJSONSchema(SCHEMAS.RunBody, { io: 'input' })).toMatchObject({
      properties: { on_busy: { enum: ['replace', 'reject', 'queue'] } },
    });
  });
});
