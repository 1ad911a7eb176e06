/* eslint-disable @typescript-eslint/no-deprecated --
   The library prefers the second schema, which needs Grafana 12; this one is read by every Grafana since 10. */
import {
  AnnotationQueryBuilder,
  AnnotationTargetBuilder,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  TextBoxVariableBuilder,
  VariableHide,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import type { Dashboard, Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { DATASOURCE } from './panels.ts';
import type { DashboardUid } from './panels.ts';

/** Where the runbooks are read. Whoever hosts them elsewhere changes the variable `runbooks` of the dashboards. */
export const RUNBOOKS_URL = 'https://git.example.com/plantao/runbooks';

/** What Grafana calls a dashboard. */
export type DashboardModel = Dashboard;

export interface Row {
  readonly title: string;
  readonly panels: readonly { build(): Panel }[];
}

export interface Board {
  readonly uid: DashboardUid;
  readonly title: string;
  /** The question that it answers. */
  readonly asks: string;
  readonly rows: readonly Row[];
  /** A label to choose by, and a metric that has it. */
  readonly choice?: { readonly label: string; readonly metric: string };
}

const TAG = 'plantao';

/** A dashboard with what all of them have: the choice of a datasource, links to the others, deploys and campaigns. */
export function board({ uid, title, asks, rows, choice }: Board): DashboardModel {
  const builder = new DashboardBuilder(`Plantão: ${title}`)
    .uid(uid)
    .description(asks)
    .tags([TAG])
    .time({ from: 'now-6h', to: 'now' })
    .refresh('30s')
    .tooltip(DashboardCursorSync.Crosshair)
    .readonly()
    .link(otherDashboards())
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'))
    .withVariable(runbooks())
    .annotation(deploys())
    .annotation(campaigns());
  if (choice !== undefined) builder.withVariable(chooser(choice));
  for (const row of rows) {
    builder.withRow(new RowBuilder(row.title));
    for (const panel of row.panels) builder.withPanel(panel);
  }
  return numbered(builder.build());
}

/** Links to a panel hold its number, so each has one; it moves only when a panel is put before it. */
function numbered(dashboard: DashboardModel): DashboardModel {
  for (const [index, panel] of (dashboard.panels ?? []).entries()) panel.id = index + 1;
  return dashboard;
}

function otherDashboards(): DashboardLinkBuilder {
  return new DashboardLinkBuilder('Plantão').type(DashboardLinkType.Dashboards).tags([TAG]).keepTime(true);
}

function runbooks(): TextBoxVariableBuilder {
  return new TextBoxVariableBuilder('runbooks')
    .label('Runbooks')
    .hide(VariableHide.HideVariable)
    .defaultValue(RUNBOOKS_URL)
    .current({ text: RUNBOOKS_URL, value: RUNBOOKS_URL })
    .options([{ text: RUNBOOKS_URL, value: RUNBOOKS_URL, selected: true }]);
}

/** A version that runs now and did not five minutes ago. */
function deploys(): AnnotationQueryBuilder {
  const running = 'count by (version, commit) (plantao_build_info';
  return new AnnotationQueryBuilder()
    .name('Deploys')
    .datasource(DATASOURCE)
    .enable(true)
    .iconColor('blue')
    .target(new DataqueryBuilder().refId('Deploys').expr(`${running}) unless ${running} offset 5m)`).range())
    .step('60s')
    .titleFormat('Deploy')
    .textFormat('{{version}} {{commit}}')
    .tagKeys('version,commit');
}

/** Entered by people, or by what sends the campaign: README.md says how. They explain a spike before anybody worries. */
function campaigns(): AnnotationQueryBuilder {
  const tagged = new AnnotationTargetBuilder().type('tags').tags(['campaign']).matchAny(false).limit(100).build();
  return new AnnotationQueryBuilder()
    .name('Campaigns')
    .datasource({ type: 'grafana', uid: '-- Grafana --' })
    .enable(true)
    .iconColor('orange')
    .target({ build: () => ({ refId: 'Campaigns', ...tagged, _implementsDataqueryVariant: () => undefined }) });
}

function chooser({ label, metric }: { label: string; metric: string }): QueryVariableBuilder {
  const values = `label_values(${metric}, ${label})`;
  return new QueryVariableBuilder(label)
    .label(label)
    .datasource(DATASOURCE)
    .query({ qryType: 1, query: values, refId: 'PrometheusVariableQueryEditor-VariableQuery' })
    .definition(values)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ text: 'All', value: '$__all' });
}
