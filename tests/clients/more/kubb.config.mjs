import { defineConfig } from '@kubb/core';
import { pluginOas } from '@kubb/plugin-oas';
import { pluginTs } from '@kubb/plugin-ts';

export default defineConfig({
  root: '.',
  input: { path: '../../../openapi/openapi.json' },
  output: { path: 'generated/kubb', format: false, lint: false },
  plugins: [pluginOas({ generators: [] }), pluginTs({})],
});
