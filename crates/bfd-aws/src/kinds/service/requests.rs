//! Requests of ECS from AWS's own JSON spelling.
//!
//! Every field is carried over by name. Left out is `inferenceAccelerators`, which AWS has
//! withdrawn.

use crate::{Aws, shapes};
use aws_sdk_ecs::operation::{
    create_service::{CreateServiceInput, builders::CreateServiceFluentBuilder},
    register_task_definition::{
        RegisterTaskDefinitionInput, builders::RegisterTaskDefinitionFluentBuilder,
    },
    update_service::{UpdateServiceInput, builders::UpdateServiceFluentBuilder},
};
use bfd_core::Value;
use bfd_provider::{ErrorClass, ProviderError};

fn refused(operation: &str, error: shapes::ShapeError) -> ProviderError {
    ProviderError::new(operation, ErrorClass::InvalidRequest, error)
        .hint("fields of `task_definition` and `service_definition` are in AWS's own spelling")
}

pub(super) fn register_task_definition(
    aws: &Aws,
    request: &Value,
) -> Result<RegisterTaskDefinitionFluentBuilder, ProviderError> {
    let (schema, read) =
        (RegisterTaskDefinitionInput::SCHEMA, RegisterTaskDefinitionInput::deserialize);
    let input = shapes::read(request, schema, read)
        .map_err(|error| refused("ecs:RegisterTaskDefinition", error))?;
    Ok(aws
        .ecs
        .register_task_definition()
        .set_family(input.family)
        .set_task_role_arn(input.task_role_arn)
        .set_execution_role_arn(input.execution_role_arn)
        .set_network_mode(input.network_mode)
        .set_container_definitions(input.container_definitions)
        .set_volumes(input.volumes)
        .set_placement_constraints(input.placement_constraints)
        .set_requires_compatibilities(input.requires_compatibilities)
        .set_cpu(input.cpu)
        .set_memory(input.memory)
        .set_tags(input.tags)
        .set_pid_mode(input.pid_mode)
        .set_ipc_mode(input.ipc_mode)
        .set_proxy_configuration(input.proxy_configuration)
        .set_ephemeral_storage(input.ephemeral_storage)
        .set_runtime_platform(input.runtime_platform)
        .set_enable_fault_injection(input.enable_fault_injection))
}

pub(super) fn create_service(
    aws: &Aws,
    request: &Value,
) -> Result<CreateServiceFluentBuilder, ProviderError> {
    let input = shapes::read(request, CreateServiceInput::SCHEMA, CreateServiceInput::deserialize)
        .map_err(|error| refused("ecs:CreateService", error))?;
    Ok(aws
        .ecs
        .create_service()
        .set_cluster(input.cluster)
        .set_service_name(input.service_name)
        .set_task_definition(input.task_definition)
        .set_availability_zone_rebalancing(input.availability_zone_rebalancing)
        .set_load_balancers(input.load_balancers)
        .set_service_registries(input.service_registries)
        .set_desired_count(input.desired_count)
        .set_client_token(input.client_token)
        .set_launch_type(input.launch_type)
        .set_capacity_provider_strategy(input.capacity_provider_strategy)
        .set_platform_version(input.platform_version)
        .set_role(input.role)
        .set_deployment_configuration(input.deployment_configuration)
        .set_placement_constraints(input.placement_constraints)
        .set_placement_strategy(input.placement_strategy)
        .set_network_configuration(input.network_configuration)
        .set_health_check_grace_period_seconds(input.health_check_grace_period_seconds)
        .set_scheduling_strategy(input.scheduling_strategy)
        .set_deployment_controller(input.deployment_controller)
        .set_tags(input.tags)
        .set_enable_ecs_managed_tags(input.enable_ecs_managed_tags)
        .set_propagate_tags(input.propagate_tags)
        .set_enable_execute_command(input.enable_execute_command)
        .set_service_connect_configuration(input.service_connect_configuration)
        .set_volume_configurations(input.volume_configurations)
        .set_vpc_lattice_configurations(input.vpc_lattice_configurations)
        .set_gateway_connectors(input.gateway_connectors)
        .set_monitoring(input.monitoring))
}

pub(super) fn update_service(
    aws: &Aws,
    request: &Value,
) -> Result<UpdateServiceFluentBuilder, ProviderError> {
    let input = shapes::read(request, UpdateServiceInput::SCHEMA, UpdateServiceInput::deserialize)
        .map_err(|error| refused("ecs:UpdateService", error))?;
    Ok(aws
        .ecs
        .update_service()
        .set_cluster(input.cluster)
        .set_service(input.service)
        .set_desired_count(input.desired_count)
        .set_task_definition(input.task_definition)
        .set_capacity_provider_strategy(input.capacity_provider_strategy)
        .set_deployment_configuration(input.deployment_configuration)
        .set_availability_zone_rebalancing(input.availability_zone_rebalancing)
        .set_network_configuration(input.network_configuration)
        .set_placement_constraints(input.placement_constraints)
        .set_placement_strategy(input.placement_strategy)
        .set_platform_version(input.platform_version)
        .set_force_new_deployment(input.force_new_deployment)
        .set_health_check_grace_period_seconds(input.health_check_grace_period_seconds)
        .set_deployment_controller(input.deployment_controller)
        .set_enable_execute_command(input.enable_execute_command)
        .set_enable_ecs_managed_tags(input.enable_ecs_managed_tags)
        .set_load_balancers(input.load_balancers)
        .set_propagate_tags(input.propagate_tags)
        .set_service_registries(input.service_registries)
        .set_service_connect_configuration(input.service_connect_configuration)
        .set_volume_configurations(input.volume_configurations)
        .set_vpc_lattice_configurations(input.vpc_lattice_configurations)
        .set_gateway_connectors(input.gateway_connectors)
        .set_monitoring(input.monitoring))
}
